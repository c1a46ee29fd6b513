#include "store/schema.h"

namespace attnbench {

// Times are seconds per call, sizes element counts, truth values 0 or 1. Columns that end in _json hold
// structures that are only ever read whole.
const char* const kStoreSchema = R"sql(
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  study TEXT NOT NULL,
  profile TEXT NOT NULL,
  seed INTEGER NOT NULL,
  plan_hash TEXT NOT NULL,
  build_id TEXT NOT NULL,
  machine_key TEXT NOT NULL,
  plan_json TEXT NOT NULL CHECK (json_valid(plan_json)),
  environment_json TEXT NOT NULL CHECK (json_valid(environment_json))
) STRICT;

CREATE TABLE cell (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run (id),
  cell_id TEXT NOT NULL CHECK (cell_id <> ''),
  device TEXT NOT NULL,
  threads INTEGER NOT NULL CHECK (threads >= 0),
  cpus_json TEXT NOT NULL CHECK (json_valid(cpus_json)),
  condition TEXT NOT NULL CHECK (condition IN ('hot', 'cold')),
  phase TEXT NOT NULL CHECK (phase IN ('prefill', 'decode')),
  scope TEXT NOT NULL CHECK (scope IN ('core', 'layer')),
  batch INTEGER NOT NULL CHECK (batch >= 1),
  num_q_heads INTEGER NOT NULL CHECK (num_q_heads >= 1),
  seqlen_q INTEGER NOT NULL CHECK (seqlen_q >= 1),
  seqlen_kv INTEGER NOT NULL CHECK (seqlen_kv >= 1),
  head_dim_qk INTEGER NOT NULL CHECK (head_dim_qk >= 1),
  head_dim_v INTEGER NOT NULL CHECK (head_dim_v >= 1),
  dtype_q TEXT NOT NULL,
  dtype_kv TEXT NOT NULL,
  dtype_o TEXT NOT NULL,
  layout TEXT NOT NULL,
  softmax_scale REAL,
  d_model INTEGER NOT NULL CHECK (d_model >= 0),
  seqlens_kv_json TEXT NOT NULL CHECK (json_valid(seqlens_kv_json)),
  UNIQUE (run, cell_id)
) STRICT;

CREATE TABLE kernel (
  id INTEGER PRIMARY KEY,
  cell INTEGER NOT NULL REFERENCES cell (id),
  kernel_id TEXT NOT NULL
    CHECK (kernel_id = mechanism || '/' || kernel || '@' || engine || iif(path = '', '', ':' || path)),
  ordinal INTEGER NOT NULL,
  mechanism TEXT NOT NULL CHECK (mechanism <> ''),
  kernel TEXT NOT NULL CHECK (kernel <> ''),
  engine TEXT NOT NULL CHECK (engine <> ''),
  path TEXT NOT NULL,
  num_kv_heads INTEGER NOT NULL CHECK (num_kv_heads >= 0),
  support_reason TEXT NOT NULL,
  is_baseline INTEGER NOT NULL CHECK (is_baseline IN (0, 1)),
  batch_calls INTEGER CHECK (batch_calls >= 1),
  quarantine_reason TEXT NOT NULL,
  is_default_path INTEGER NOT NULL CHECK (is_default_path IN (0, 1)),
  form TEXT NOT NULL CHECK (form IN ('direct', 'fused')),
  UNIQUE (cell, kernel_id)
) STRICT;
CREATE UNIQUE INDEX one_baseline ON kernel (cell) WHERE is_baseline;

CREATE TABLE verification (
  kernel INTEGER PRIMARY KEY REFERENCES kernel (id),
  passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
  reason TEXT NOT NULL,
  max_error REAL,
  plain_error REAL,
  tolerance REAL,
  median_call_seconds REAL,
  rerun_bitwise INTEGER CHECK (rerun_bitwise IN (0, 1)),
  unchanged_alone INTEGER CHECK (unchanged_alone IN (0, 1)),
  unchanged_in_batch INTEGER CHECK (unchanged_in_batch IN (0, 1)),
  unchanged_threads INTEGER CHECK (unchanged_threads IN (0, 1)),
  workspace_bytes INTEGER NOT NULL,
  peak_bytes INTEGER NOT NULL,
  prepare_seconds REAL,
  first_call_seconds REAL,
  CHECK (passed OR reason <> '')
) STRICT;

CREATE TABLE process (
  id INTEGER PRIMARY KEY,
  cell INTEGER NOT NULL REFERENCES cell (id),
  process INTEGER NOT NULL CHECK (process >= 0),
  valid INTEGER NOT NULL CHECK (valid IN (0, 1)),
  reason TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  orders_json TEXT NOT NULL CHECK (json_valid(orders_json)),
  order_kernels_json TEXT NOT NULL CHECK (json_valid(order_kernels_json)),
  noise_json TEXT NOT NULL CHECK (json_valid(noise_json)),
  kernels_json TEXT NOT NULL CHECK (json_valid(kernels_json)),
  UNIQUE (cell, process),
  CHECK (valid OR reason <> '')
) STRICT;

CREATE TABLE sample (
  process INTEGER NOT NULL REFERENCES process (id),
  block INTEGER NOT NULL CHECK (block >= -1),
  position INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('kernel', 'alias', 'sentinel', 'unbatched')),
  kernel INTEGER REFERENCES kernel (id),
  batch_calls INTEGER NOT NULL CHECK (batch_calls >= 1),
  time_seconds REAL NOT NULL CHECK (time_seconds >= 0 AND time_seconds < 9e999),
  priming_calls INTEGER NOT NULL CHECK (priming_calls >= 0),
  valid INTEGER NOT NULL CHECK (valid IN (0, 1)),
  reason TEXT NOT NULL,
  CHECK ((role = 'sentinel') = (kernel IS NULL)),
  CHECK (role <> 'unbatched' OR block = -1),
  CHECK (iif(valid, time_seconds > 0 AND reason = '', reason <> ''))
) STRICT;
CREATE UNIQUE INDEX one_sample_a_slot ON sample (process, block, position, role, coalesce(kernel, 0));

CREATE TABLE failure (
  id INTEGER PRIMARY KEY,
  cell INTEGER NOT NULL REFERENCES cell (id),
  kernel INTEGER REFERENCES kernel (id),
  stage TEXT NOT NULL CHECK (stage IN ('verify', 'prepare', 'measure', 'recheck')),
  reason TEXT NOT NULL CHECK (reason <> '')
) STRICT;
)sql";

const char* const kFormat1To2 = R"sql(
ALTER TABLE kernel ADD COLUMN is_default_path INTEGER NOT NULL DEFAULT 1 CHECK (is_default_path IN (0, 1));
ALTER TABLE kernel ADD COLUMN form TEXT NOT NULL DEFAULT 'direct' CHECK (form IN ('direct', 'fused'));
PRAGMA user_version = 2;
)sql";

}  // namespace attnbench
