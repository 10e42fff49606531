"""Shared libraries of devices that aren't here, built from a few lines of C."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

# What libedgetpu exports: create answers NULL where there is no device. Here it answers with a
# delegate that takes no op, so the whole way to a device is walked and the CPU does the work.
EDGETPU = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef struct {
  void* data; int (*prepare)(void*, void*); void* from; void* to; void* release;
  int64_t flags; void* builder;
} Delegate;
static int prepare(void* context, void* delegate) { return 0; }
void* tflite_plugin_create_delegate(char** k, char** v, size_t n, void (*report)(const char*)) {
  if (!HAS_DEVICE) return NULL;
  Delegate* made = calloc(1, sizeof(Delegate));
  made->prepare = prepare;
  return made;
}
void tflite_plugin_destroy_delegate(void* delegate) {
  FILE* file = fopen(DESTROYED, "a");
  if (delegate) fputs("destroyed\n", file);
  fclose(file);
  free(delegate);
}
"""

# As much of NVIDIA's driver as loading and running a plan takes, without CUDA graphs: an Orin whose
# memory is the host's and whose streams are done with everything at once.
CUDA = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef void* Handle;
int cuInit(unsigned flags) { return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = 0; return 0; }
int cuDeviceGetName(char* name, int size, int device) { strncpy(name, "Orin", size); return 0; }
int cuDeviceTotalMem_v2(size_t* size, int device) { *size = (size_t)8 << 30; return 0; }
int cuDriverGetVersion(int* version) { *version = 12060; return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  *value = attribute == 75 ? 8 : attribute == 76 ? 7 : 1;
  return 0;
}
int cuGetErrorString(int code, const char** text) { *text = "a stand-in's"; return 0; }
int cuDevicePrimaryCtxRetain(Handle* context, int device) { *context = NULL; return 0; }
int cuCtxSetCurrent(Handle context) { return 0; }
int cuMemAlloc_v2(uint64_t* address, size_t size) {
  *address = (uint64_t)malloc(size);
  return 0;
}
int cuMemFree_v2(uint64_t address) { free((void*)address); return 0; }
int cuMemHostAlloc(Handle* pointer, size_t size, unsigned flags) {
  *pointer = malloc(size);
  return 0;
}
int cuMemFreeHost(Handle pointer) { free(pointer); return 0; }
int cuStreamCreate(Handle* stream, unsigned flags) { *stream = malloc(1); return 0; }
int cuStreamSynchronize(Handle stream) { return 0; }
int cuStreamDestroy_v2(Handle stream) { free(stream); return 0; }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t size, Handle stream) {
  memcpy((void*)to, from, size);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t size, Handle stream) {
  memcpy(to, (void*)from, size);
  return 0;
}
int cuEventCreate(Handle* event, unsigned flags) {
  *event = malloc(sizeof(struct timespec));
  return 0;
}
int cuEventRecord(Handle event, Handle stream) { return clock_gettime(CLOCK_MONOTONIC, event); }
int cuEventSynchronize(Handle event) { return 0; }
int cuEventElapsedTime(float* ms, struct timespec* from, struct timespec* to) {
  *ms = (to->tv_sec - from->tv_sec) * 1e3 + (to->tv_nsec - from->tv_nsec) / 1e6;
  return 0;
}
int cuEventDestroy_v2(Handle event) { free(event); return 0; }
"""


def build(source: str, path: Path, **defines: object) -> Path:
    """Build a library; where there is no C compiler, the test is skipped."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    text = path.with_suffix(".c")
    text.write_text(source)
    options = [f"-D{name}={value}" for name, value in defines.items()]
    subprocess.run([compiler, "-shared", "-fPIC", *options, text, "-o", path], check=True)
    return path


def build_edgetpu(path: Path, destroyed: Path, *, has_device: bool) -> Path:
    """Build a libedgetpu that appends a line to ``destroyed`` for each delegate that it ends."""
    return build(EDGETPU, path, HAS_DEVICE=int(has_device), DESTROYED=f'"{destroyed}"')
