#ifndef ATTNBENCH_PLUGIN_C_H
#define ATTNBENCH_PLUGIN_C_H

/* A plugin in C, or in any language that can define C functions: a shared object that defines the two
   functions at the end of this file. It needs nothing of the program that loads it, neither its compiler nor
   its libraries. Its kernels compute on the host's CPUs, synchronously, on host pointers. No exception may
   leave a function of the plugin. A kernel in C++ that is compiled with the program may use
   attnbench/plugin.h. */

#include <stdint.h>

#include "attnbench/types_c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rises when anything below, or in types_c.h, changes. */
#define ATTNBENCH_C_PLUGIN_VERSION 1

/* One kernel. Texts and lists live as long as the program; functions may be called by several threads. */
typedef struct attnbench_kernel {
  const char* kernel; /* names of small letters, digits and _ */
  const char* engine;
  const char* path;              /* "" where there is one only */
  const char* const* mechanisms; /* ends with a null */
  int32_t computes_lse;
  /* Null, or why the kernel does not compute this problem correctly; the text lives until the next call. */
  const char* (*supports)(const attnbench_problem* problem);
  /* FLOPs that it really does. */
  double (*executed_flops)(const attnbench_problem* problem);
  int64_t (*workspace_bytes)(const attnbench_problem* problem);
  /* All that can be done once for a problem. Null: it failed. The problem lives until this returns. */
  void* (*prepare)(const attnbench_problem* problem);
  /* One call, complete on return; by one thread at a time. Not 0: it failed. */
  int32_t (*call)(void* prepared, const attnbench_tensors* tensors);
  void (*release)(void* prepared);
} attnbench_kernel;

/* To be defined by the plugin, and visible outside it whatever the compiler is told of other names: */
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif
int32_t attnbench_c_plugin_version(void);                        /* ATTNBENCH_C_PLUGIN_VERSION */
const attnbench_kernel* const* attnbench_c_plugin_kernels(void); /* ends with a null */
#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
