#!/usr/bin/env bash
# Usage: schema_test.sh ATTNBENCH SOURCE_DIR
# summary.json of a measured and of a published run, and of one with a profile, satisfies docs/summary.schema.json, and the schema is strict
# enough to see a field that is missing or unknown.
set -euo pipefail
attnbench=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$attnbench" run smoke --accept-noise --dtype f32 --seqlen 32,64 --threads 1 --mechanism mha,swa,linear --quiet \
  --out "$work/measured.db" >"$work/table.txt"
"$attnbench" import "$source/data/m4_mlx_published.csv" --out "$work/published.db" >"$work/import.txt"
"$attnbench" analyze "$work/measured.db" "$work/published.db" --out "$work/summary.json" >"$work/table.txt"
cat >"$work/profile.json" <<'JSON'
{"format": "attnbench-profile", "schema": 1, "machine_key": "00", "library": "00", "device": "cpu", "environment": {},
 "verified": [], "costs": []}
JSON
"$attnbench" analyze "$work/measured.db" --profile "$work/profile.json" --out "$work/with_profile.json" >"$work/table.txt"
"$attnbench" claims "$work/measured.db" "$work/published.db" --json >"$work/claims.json"

python3 - "$source/docs/summary.schema.json" "$work/summary.json" "$work/claims.json" "$work/with_profile.json" <<'PYTHON'
import copy, json, sys
import jsonschema

schema, summary, claims, with_profile = (json.load(open(file)) for file in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
errors = [f"{list(e.absolute_path)}: {e.message[:200]}" for one in (summary, with_profile) for e in validator.iter_errors(one)]
sys.exit("\n".join(errors[:20])) if errors else None

if claims["claims"] != summary["claims"] or len(claims["claims"]) != 15:
    sys.exit("claims --json has other claims than summary.json")

if "profile" in summary or with_profile["profile"]["state"] != "foreign" or with_profile["tables"]["choices"] != []:
    sys.exit("a profile is where it was not asked for, or a foreign one is not told")

missing, unknown = copy.deepcopy(summary), copy.deepcopy(summary)
del missing["runs"][0]["groups"][0]["cells"][0]["kernels"][0]["ratio"]
unknown["runs"][0]["groups"][0]["cells"][0]["kernels"][0]["rank"] = 1
for name, broken in (("missing", missing), ("unknown", unknown)):
    if validator.is_valid(broken):
        sys.exit(f"the schema does not see a {name} field")
print("summary.json satisfies its schema")
PYTHON
