#ifndef ATTNBENCH_TYPES_C_H
#define ATTNBENCH_TYPES_C_H

/* Problems and tensors in C: of a plugin (plugin_c.h) and of the library (attnbench.h). */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element types. */
enum { ATTNBENCH_F32 = 0, ATTNBENCH_BF16 = 1, ATTNBENCH_F16 = 2 };
/* Orders of q, k, v and o in dense memory: (batch, heads, sequence, head_dim), (batch, sequence, heads,
 * head_dim). */
enum { ATTNBENCH_BHSD = 0, ATTNBENCH_BSHD = 1 };
/* Core: attention on projected q, k, v. Layer: with the four projections. */
enum { ATTNBENCH_CORE = 0, ATTNBENCH_LAYER = 1 };
enum { ATTNBENCH_PREFILL = 0, ATTNBENCH_DECODE = 1 };

/* What is to be computed; sizes are element counts. What a mechanism is: attnbench/mechanism.h; sizes and
   scale: attnbench/shape.h. */
typedef struct attnbench_problem {
  const char* mechanism; /* "mha", "gqa", "mqa", "swa", "block_sparse", "linear", "causal_linear" */
  int64_t num_kv_heads;
  int64_t window;     /* swa */
  int64_t block_size; /* block_sparse */
  int64_t globals;    /* block_sparse */
  int32_t causal;     /* query i sees keys up to i + seqlen_kv - seqlen_q */
  int32_t scope;
  int32_t phase;
  int32_t layout;
  int32_t dtype_q, dtype_kv, dtype_o;
  int32_t threads; /* to compute with; as an argument of attnbench.h: 0, the dispatcher's */
  int64_t batch, num_q_heads, seqlen_q, seqlen_kv, head_dim_qk, head_dim_v;
  int64_t d_model;           /* layer scope, else 0 */
  const int64_t* seqlens_kv; /* keys in use by batch entry; null: seqlen_kv for all */
  double softmax_scale;
  double eps; /* linear and causal_linear */
} attnbench_problem;

/* Four sizes and four strides, in elements: (batch, heads, sequence, head_dim), whatever the layout. The last
   stride is 1. data is null where a call has no such tensor. */
typedef struct attnbench_tensor {
  void* data;
  int64_t sizes[4];
  int64_t strides[4];
} attnbench_tensor;

/* The tensors of one call. k and v may hold fewer keys than seqlen_kv: k.sizes[2] counts. x and weights are
   of the layer scope. */
typedef struct attnbench_tensors {
  attnbench_tensor q, k, v, x, wq, wk, wv, wo;
  attnbench_tensor o;   /* to be written */
  attnbench_tensor lse; /* f32, to be written where it is given and the kernel computes it */
} attnbench_tensors;

#ifdef __cplusplus
}
#endif

#endif
