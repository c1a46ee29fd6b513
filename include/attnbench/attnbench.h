#ifndef ATTNBENCH_ATTNBENCH_H
#define ATTNBENCH_ATTNBENCH_H

/* The library in C: which kernel to use, and attention on it. What a dispatcher chooses, and why, is told in
   attnbench/dispatch.h, whose calls these are.

   A function that returns a status returns ATTNBENCH_OK, or says what is wrong in attnbench_last_error() and
   changes nothing that its pointers lead to. No exception leaves a function. Structs that a caller fills
   begin as zeros: memset, or = {0}. */

#include <stddef.h>
#include <stdint.h>

#include "attnbench/types_c.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* The exit codes of the program for the same. */
typedef enum attnbench_status {
  ATTNBENCH_OK = 0,
  ATTNBENCH_BAD_INPUT = 2, /* the caller's: field and value are named */
  ATTNBENCH_FAILED = 70    /* memory, a device, a fault of the library */
} attnbench_status;

/* "0.1.0" */
const char* attnbench_version(void);
/* Of this thread's last call that failed; "" before there is one. Lives until the next that fails. */
const char* attnbench_last_error(void);
/* Adds the kernels of a shared object; before a dispatcher is made. */
attnbench_status attnbench_load_plugin(const char* path);

/* ---- Dispatchers. One serves any number of threads. */

typedef struct attnbench_dispatcher attnbench_dispatcher;

/* What a dispatcher may choose. */
typedef struct attnbench_policy {
  const char* device;    /* null: "cpu" */
  int32_t threads;       /* 0: all physical cores */
  const char* profile;   /* file that `attnbench tune` wrote; null: that of ATTNBENCH_PROFILE, if it is set */
  int32_t deterministic; /* only kernels known to repeat their output bit by bit here */
  int64_t byte_limit;    /* largest workspace; 0: any */
  const char* forced;    /* the one kernel to use, "fused@cpu:amx"; null: any */
  const char* const* denied; /* kernels never to use; ends with a null; null: none */
} attnbench_policy;

/* Loads the profile. One that cannot be trusted is no error: attnbench_profile_problem() and decisions name
   it. `policy` null: all zeros. */
attnbench_status attnbench_dispatcher_new(const attnbench_policy* policy, attnbench_dispatcher** dispatcher);
/* Plans made with it must be freed before. Null: nothing. */
void attnbench_dispatcher_free(attnbench_dispatcher* dispatcher);
/* "trusted", "none", "unreadable", "corrupt", "newer", "foreign" or "stale". */
const char* attnbench_profile_state(const attnbench_dispatcher* dispatcher);
/* What is wrong with a profile that is not trusted, in words; "" otherwise. */
const char* attnbench_profile_problem(const attnbench_dispatcher* dispatcher);

/* ---- Decisions. */

/* A kernel and why; plain memory, to be copied freely. */
typedef struct attnbench_decision {
  int32_t chosen;     /* 0: no kernel may be used, as described */
  int32_t verified;   /* the chosen kernel was verified on this machine, by the profile */
  const char* reason; /* "faster", "default_stays", ...: the names of Reason in dispatch.h */
  /* Time of the kernel that the chosen one was set against over its own, with the 80 % interval; NaN where
     not compared. */
  double ratio, ratio_low, ratio_high;
  double seconds;          /* of one call, by the profile; NaN: not known */
  uint64_t of_library[32]; /* for attnbench_describe() and attnbench_kernel_name() */
} attnbench_decision;

/* `allowed`: mechanisms that may be computed instead of the problem's own, "swa(w=512,causal)", ending with a
   null; null: none. No kernel is no error. */
attnbench_status attnbench_choose(const attnbench_dispatcher* dispatcher, const attnbench_problem* problem,
                                  const char* const* allowed, attnbench_decision* decision);
/* Write kernel and reason in words, or "mha/fused@cpu:avx512" ("" where none was chosen), into `text` of
   `size` bytes, cut where it is too short, always ended by a 0; `text` may be null where size is 0. They
   return the length of the whole without its 0, and 0 after a failure. */
size_t attnbench_describe(const attnbench_decision* decision, char* text, size_t size);
size_t attnbench_kernel_name(const attnbench_decision* decision, char* text, size_t size);

/* ---- Plans: the kernel chosen, prepared for a problem once, bound to tensors once, run many times. One
   serves one thread at a time. */

typedef struct attnbench_plan attnbench_plan;

/* ATTNBENCH_BAD_INPUT where no kernel may be used, with all reasons. */
attnbench_status attnbench_plan_new(const attnbench_dispatcher* dispatcher, const attnbench_problem* problem,
                                    const char* const* allowed, attnbench_plan** plan);
void attnbench_plan_free(attnbench_plan* plan); /* null: nothing */
attnbench_status attnbench_plan_decision(const attnbench_plan* plan, attnbench_decision* decision);
/* The tensors of the calls to come, in host memory that outlives them; what is not given has no data. k and v
   may hold fewer keys than seqlen_kv. Inputs are copied where the device is not the CPU. */
attnbench_status attnbench_plan_bind(attnbench_plan* plan, const attnbench_tensors* tensors);
/* So many complete calls, at least 1. On a CPU they read and write the tensors where they are. `seconds`, if
   not null: what they took together. */
attnbench_status attnbench_plan_run(attnbench_plan* plan, int64_t calls, double* seconds);
/* To and from another device; on a CPU they do nothing. */
attnbench_status attnbench_plan_write_inputs(attnbench_plan* plan);
attnbench_status attnbench_plan_read_outputs(attnbench_plan* plan);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
