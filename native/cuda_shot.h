// Shots developed on the GPU: the picture lies there, and what travels is boxes and answers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "nv12.h"
#include "shot.h"

namespace facelatch {

/// Before the pixels in the device's memory, rows packed.
struct alignas(64) CudaFrame {
  int32_t width;
  int32_t height;

  static size_t bytes(int width, int height) {
    return sizeof(CudaFrame) + static_cast<size_t>(3) * static_cast<size_t>(width) * static_cast<size_t>(height);
  }
};

/// One row of a batch.
struct CudaRow {
  /// x, y, width and height of a region; a, b, tx and ty of a placement.
  double of[4];
  /// Aligned: samples a pixel along each axis.
  int32_t grid;
  int32_t mirrored;
};

/// A row of a shot's batch.
inline CudaRow cudaRow(const Shot& shot, size_t row) {
  const size_t piece = row % shot.pieces();
  if (shot.sampling == Shot::Sampling::aligned) {
    const Similarity& to = shot.placements[piece];
    return {{to.a, to.b, to.tx, to.ty}, warpGrid(to), row >= shot.pieces() ? 1 : 0};
  }
  const Box& box = shot.regions[piece];
  return {{box.x, box.y, box.width, box.height}, 1, 0};
}

/// Rows of a batch that has room for more; the rest become black.
struct alignas(64) CudaBatch {
  int32_t count;

  static size_t bytes(size_t rows) { return sizeof(CudaBatch) + rows * sizeof(CudaRow); }
  CudaRow* rows() { return reinterpret_cast<CudaRow*>(this + 1); }
};

/// Queues the cutting of `room` rows, planes of height x width floats as `develop` makes them, to the bit but for the
/// contraction of products that a CPU's compiler may do. `pixels`: each row's 8-bit RGB picture, for aligned shots; may
/// be null. All pointers are the device's.
cudaError_t cudaDevelop(cudaStream_t stream, const CudaFrame* frame, const CudaBatch* batch, size_t room,
                        Shot::Sampling sampling, int width, int height, const Normalisation& normalisation,
                        float* planes, uint8_t* pixels);

/// Queues the making of the frame, header and all, of an NV12 picture as `rgbOfNv12` reads it. All pointers are the
/// device's.
cudaError_t cudaRgb(cudaStream_t stream, const uint8_t* nv12, Nv12Size size, const YuvColours& colours,
                    CudaFrame* frame);

/// What `work` queues on the stream, as a graph; null where that cannot be captured.
template <typename Work>
cudaGraphExec_t cudaCapture(cudaStream_t stream, const Work& work) {
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  const bool queued = work();
  cudaGraph_t captured = nullptr;
  cudaGraphExec_t graph = nullptr;
  if (cudaStreamEndCapture(stream, &captured) == cudaSuccess && queued && captured != nullptr) {
#if CUDART_VERSION >= 12000
    if (cudaGraphInstantiate(&graph, captured, 0) != cudaSuccess) graph = nullptr;
#else
    if (cudaGraphInstantiate(&graph, captured, nullptr, nullptr, 0) != cudaSuccess) graph = nullptr;
#endif
  }
  if (captured != nullptr) cudaGraphDestroy(captured);
  cudaGetLastError();
  return graph;
}

}  // namespace facelatch
