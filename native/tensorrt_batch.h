// One network at one shape of its input: from boxes to answers in a single launch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensorrt_context.h"

namespace facelatch {

/// What makes two shots fit into one batch.
struct ShotForm {
  explicit ShotForm(const Shot& shot);
  bool operator==(const ShotForm& other) const;

  Shot::Sampling sampling;
  int width;
  int height;
  /// Of a row.
  size_t values;
  Normalisation normalisation;
  bool keep;
};

/// Its own context, buffers and graph: cutting, network, copy of the answers. A context's graph is
/// good for the shape it was made at, so shapes that come again keep theirs.
class TrtBatch {
 public:
  /// `plan` is of a network with the named input and outputs; `rows` the size of the batch.
  TrtBatch(std::shared_ptr<TrtContext> shared, TrtPlan& plan, const std::string& input,
           const std::vector<std::string>& outputs, const ShotForm& form, size_t rows);
  ~TrtBatch();
  TrtBatch(const TrtBatch&) = delete;
  TrtBatch& operator=(const TrtBatch&) = delete;

  const ShotForm& form() const { return form_; }
  size_t rows() const { return rows_; }

  /// Where the boxes of the next start go.
  CudaBatch& boxes() { return *boxes_.host<CudaBatch>(); }
  /// Queues all of it. Throws ENGINE.
  void start();
  /// After the stream has been waited for: an output's shape, and one row of it.
  const std::vector<int64_t>& shape(size_t output) const { return shapes_[output]; }
  const float* row(size_t output, size_t index) const;
  const uint8_t* piece(size_t index) const;

 private:
  void prepare();
  void queue();

  std::shared_ptr<TrtContext> shared_;
  ShotForm form_;
  size_t rows_;
  std::string input_;
  std::vector<std::string> outputs_;
  std::unique_ptr<nvinfer1::ICudaEngine> own_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  /// Read where they are written: a few bytes a row are not worth a copy of their own.
  CudaBuffer boxes_{CudaBuffer::Where::host};
  CudaBuffer planes_{CudaBuffer::Where::device};
  /// All outputs and the pieces one after the other, so that one copy brings them.
  CudaBuffer answers_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<size_t> offsets_;
  size_t pieces_ = 0;
  cudaGraphExec_t graph_ = nullptr;
  uint64_t generation_ = 0;
};

std::vector<int64_t> shapeOf(const nvinfer1::Dims& dims);
nvinfer1::Dims dimsOf(const std::vector<int64_t>& shape);

}  // namespace facelatch
