/* A kernel in C, loaded with --plugin: copy it, rename it, put your loops into call(). It computes mha in
   f32, core scope, on one thread, a row of scores at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attnbench/plugin_c.h"

typedef struct prepared {
  float* scores; /* of one row */
  double scale;
  int causal;
} prepared;

static const char* supports(const attnbench_problem* p) {
  if (p->scope != ATTNBENCH_CORE) return "computes the core alone";
  if (p->dtype_q != ATTNBENCH_F32 || p->dtype_kv != ATTNBENCH_F32 || p->dtype_o != ATTNBENCH_F32)
    return "computes in f32 alone";
  if (p->seqlens_kv != NULL) return "computes full lengths alone";
  return NULL;
}

/* All scores are computed, hidden ones excepted. */
static double executed_flops(const attnbench_problem* p) {
  double keys = 0;
  for (int64_t i = 0; i < p->seqlen_q; ++i) {
    const int64_t last = p->causal ? i + p->seqlen_kv - p->seqlen_q : p->seqlen_kv - 1;
    keys += last < 0 ? 0 : (double)(last + 1);
  }
  return 2.0 * (double)(p->batch * p->num_q_heads * (p->head_dim_qk + p->head_dim_v)) * keys;
}

static int64_t workspace_bytes(const attnbench_problem* p) { return p->seqlen_kv * (int64_t)sizeof(float); }

static void* prepare(const attnbench_problem* p) {
  prepared* plan = malloc(sizeof *plan);
  if (plan == NULL) return NULL;
  plan->scale = p->softmax_scale;
  plan->causal = p->causal;
  plan->scores = malloc((size_t)workspace_bytes(p));
  if (plan->scores != NULL) return plan;
  free(plan);
  return NULL;
}

static void release(void* memory) {
  prepared* plan = memory;
  free(plan->scores);
  free(plan);
}

static float* row(const attnbench_tensor* t, int64_t batch, int64_t head, int64_t position) {
  return (float*)t->data + batch * t->strides[0] + head * t->strides[1] + position * t->strides[2];
}

static void attend(const prepared* plan, const attnbench_tensors* t, int64_t b, int64_t h, int64_t i) {
  const int64_t keys = t->k.sizes[2];
  const int64_t position = i + keys - t->q.sizes[2]; /* among the keys; below 0 it sees none */
  const int64_t seen = position < 0 ? 0 : plan->causal ? position + 1 : keys;
  const float* q = row(&t->q, b, h, i);
  float* o = row(&t->o, b, h, i);
  float top = -INFINITY;
  for (int64_t j = 0; j < seen; ++j) {
    const float* k = row(&t->k, b, h, j);
    float product = 0;
    for (int64_t c = 0; c < t->q.sizes[3]; ++c) product += q[c] * k[c];
    plan->scores[j] = (float)(plan->scale * product);
    if (plan->scores[j] > top) top = plan->scores[j];
  }
  memset(o, 0, (size_t)t->o.sizes[3] * sizeof *o);
  float sum = 0;
  for (int64_t j = 0; j < seen; ++j) {
    const float weight = expf(plan->scores[j] - top);
    const float* v = row(&t->v, b, h, j);
    sum += weight;
    for (int64_t c = 0; c < t->o.sizes[3]; ++c) o[c] += weight * v[c];
  }
  for (int64_t c = 0; seen > 0 && c < t->o.sizes[3]; ++c) o[c] /= sum;
  if (t->lse.data != NULL) *row(&t->lse, b, h, i) = seen > 0 ? top + logf(sum) : -INFINITY;
}

static int32_t call(void* memory, const attnbench_tensors* t) {
  for (int64_t b = 0; b < t->q.sizes[0]; ++b) {
    for (int64_t h = 0; h < t->q.sizes[1]; ++h) {
      for (int64_t i = 0; i < t->q.sizes[2]; ++i) attend(memory, t, b, h, i);
    }
  }
  return 0;
}

static const char* const mechanisms[] = {"mha", NULL};
static const attnbench_kernel plain = {
    .kernel = "plain",
    .engine = "example",
    .path = "",
    .mechanisms = mechanisms,
    .computes_lse = 1,
    .supports = supports,
    .executed_flops = executed_flops,
    .workspace_bytes = workspace_bytes,
    .prepare = prepare,
    .call = call,
    .release = release,
};

int32_t attnbench_c_plugin_version(void) { return ATTNBENCH_C_PLUGIN_VERSION; }

const attnbench_kernel* const* attnbench_c_plugin_kernels(void) {
  static const attnbench_kernel* const kernels[] = {&plain, NULL};
  return kernels;
}
