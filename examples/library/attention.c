/* The same in C: cc attention.c $(pkg-config --cflags --libs attnbench) */
#include <attnbench/attnbench.h>
#include <stdio.h>
#include <stdlib.h>

enum { kHeads = 8, kKvHeads = 2, kTokens = 128, kDim = 64 };

static float q[kHeads * kTokens * kDim], k[kKvHeads * kTokens * kDim], v[kKvHeads * kTokens * kDim],
    o[kHeads * kTokens * kDim];

/* Dense memory in the order (1, heads, tokens, dim). */
static attnbench_tensor dense(float* data, int64_t heads) {
  attnbench_tensor tensor = {
      data, {1, heads, kTokens, kDim}, {heads * kTokens * kDim, kTokens * kDim, kDim, 1}};
  return tensor;
}

static void check(attnbench_status status) {
  if (status == ATTNBENCH_OK) return;
  fprintf(stderr, "%s\n", attnbench_last_error());
  exit((int)status);
}

int main(void) {
  attnbench_problem problem = {0}; /* f32, core, prefill: all 0 */
  problem.mechanism = "gqa";
  problem.num_kv_heads = kKvHeads;
  problem.causal = 1;
  problem.batch = 1;
  problem.num_q_heads = kHeads;
  problem.seqlen_q = problem.seqlen_kv = kTokens;
  problem.head_dim_qk = problem.head_dim_v = kDim;
  problem.softmax_scale = 0.125;

  attnbench_tensors tensors = {0};
  tensors.q = dense(q, kHeads);
  tensors.k = dense(k, kKvHeads);
  tensors.v = dense(v, kKvHeads);
  tensors.o = dense(o, kHeads);
  for (int i = 0; i < kKvHeads * kTokens * kDim; ++i) v[i] = 0.5F;

  attnbench_dispatcher* dispatcher = NULL;
  attnbench_plan* plan = NULL;
  check(attnbench_dispatcher_new(NULL, &dispatcher));
  check(attnbench_plan_new(dispatcher, &problem, NULL, &plan)); /* chosen and prepared once */
  check(attnbench_plan_bind(plan, &tensors));                   /* bound once */
  check(attnbench_plan_run(plan, 1, NULL));                     /* run many times */

  attnbench_decision decision;
  char words[256];
  check(attnbench_plan_decision(plan, &decision));
  attnbench_describe(&decision, words, sizeof words);
  printf("%s\n%g\n", words, o[kHeads * kTokens * kDim - 1]);
  attnbench_plan_free(plan);
  attnbench_dispatcher_free(dispatcher);
  return 0;
}
