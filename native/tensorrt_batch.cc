#include "tensorrt_batch.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace facelatch {
namespace {

/// What TensorRT asks of its tensors' addresses.
constexpr size_t alignment = 256;

size_t product(const std::vector<int64_t>& shape, size_t from = 0) {
  return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(from), shape.end(), size_t{1},
                         [](size_t result, int64_t size) { return result * static_cast<size_t>(size); });
}

}  // namespace

std::vector<int64_t> shapeOf(const nvinfer1::Dims& dims) {
  return {dims.d, dims.d + std::max<int32_t>(dims.nbDims, 0)};
}

nvinfer1::Dims dimsOf(const std::vector<int64_t>& shape) {
  nvinfer1::Dims result{};
  result.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    result.d[i] = static_cast<std::decay_t<decltype(result.d[0])>>(shape[i]);  // 32 bits before TensorRT 10
  }
  return result;
}

ShotForm::ShotForm(const Shot& shot)
    : sampling(shot.sampling),
      width(shot.width),
      height(shot.height),
      values(shot.values()),
      normalisation(shot.normalisation),
      keep(shot.keep) {}

bool ShotForm::operator==(const ShotForm& other) const {
  return sampling == other.sampling && width == other.width && height == other.height && keep == other.keep &&
         normalisation.mean == other.normalisation.mean && normalisation.scale == other.normalisation.scale &&
         normalisation.bgr == other.normalisation.bgr;
}

TrtBatch::TrtBatch(std::shared_ptr<TrtContext> shared, TrtPlan& plan, const std::string& input,
                   const std::vector<std::string>& outputs, const ShotForm& form, size_t rows)
    : shared_(std::move(shared)), form_(form), rows_(rows), input_(input), outputs_(outputs) {
#if NV_TENSORRT_MAJOR < 10
  // There two contexts cannot share a profile; nets this small can be there twice.
  own_.reset(shared_->runtime->deserializeCudaEngine(plan.bytes.data(), plan.bytes.size()));
  if (!own_) throw Error(Code::engine, "TensorRT cannot load a plan again: " + shared_->log.take("it said nothing"));
  context_ = shared_->contextOf(*own_);
#else
  context_ = shared_->contextOf(*plan.engine);
#endif
  boxes_.hold(CudaBatch::bytes(rows_));
  planes_.hold(rows_ * form_.values * sizeof(float));
}

TrtBatch::~TrtBatch() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

void TrtBatch::start() {
  if (generation_ != shared_->generation) prepare();
  if (graph_ == nullptr) return queue();
  checkCuda(cudaGraphLaunch(graph_, shared_->stream), "launch a network's graph");
}

/// Binds the memory and captures the graph. Where a network cannot be captured it is queued step by step each time.
void TrtBatch::prepare() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
  graph_ = nullptr;
  shared_->lend(*context_);
  const std::vector<int64_t> shape{static_cast<int64_t>(rows_), 3, form_.height, form_.width};
  const bool went = context_->setInputShape(input_.c_str(), dimsOf(shape)) &&
                    context_->setTensorAddress(input_.c_str(), planes_.device<void>());
  const auto refusal = [&] {
    return Error(Code::engine, "TensorRT refuses a shape: " + shared_->log.take("it said nothing"));
  };
  if (!went) throw refusal();
  shapes_.clear();
  offsets_.clear();
  size_t bytes = 0;
  for (const std::string& name : outputs_) {
    shapes_.push_back(shapeOf(context_->getTensorShape(name.c_str())));
    if (shapes_.back().empty() || shapes_.back()[0] != shape[0]) {
      throw Error(Code::engine, "a network answers for another number of items than it is asked: output " + name +
                                    " is " + shapeText(shapes_.back()) + "; run: facelatch models verify");
    }
    offsets_.push_back(bytes);
    bytes += (product(shapes_.back()) * sizeof(float) + alignment - 1) / alignment * alignment;
  }
  pieces_ = bytes;
  if (form_.keep) bytes += rows_ * form_.values;
  answers_.hold(bytes);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!context_->setTensorAddress(outputs_[i].c_str(), answers_.device<uint8_t>() + offsets_[i])) throw refusal();
  }
  // A context settles in its first run at a shape; what it does then must not end up in the graph.
  queue();
  shared_->wait("run a network for the first time");
  generation_ = shared_->generation;

  graph_ = cudaCapture(shared_->stream, [&] {
    try {
      queue();
      return true;
    } catch (const Error&) {
      return false;
    }
  });
  if (graph_ == nullptr) shared_->note("a network could not be captured as a graph, and runs step by step");
}

void TrtBatch::queue() {
  const cudaStream_t stream = shared_->stream;
  checkCuda(cudaDevelop(stream, shared_->frame.device<CudaFrame>(), boxes_.device<CudaBatch>(), rows_, form_.sampling,
                        form_.width, form_.height, form_.normalisation, planes_.device<float>(),
                        form_.keep ? answers_.device<uint8_t>() + pieces_ : nullptr),
            "cut a picture");
  if (!context_->enqueueV3(stream)) {
    throw Error(Code::engine,
                "inference failed: " + shared_->log.take("TensorRT said nothing") + "; run: facelatch models verify");
  }
  checkCuda(
      cudaMemcpyAsync(answers_.host<void>(), answers_.device<void>(), answers_.size(), cudaMemcpyDeviceToHost, stream),
      "copy answers");
}

const float* TrtBatch::row(size_t output, size_t index) const {
  return reinterpret_cast<const float*>(answers_.host<uint8_t>() + offsets_[output]) +
         index * product(shapes_[output], 1);
}

const uint8_t* TrtBatch::piece(size_t index) const { return answers_.host<uint8_t>() + pieces_ + index * form_.values; }

}  // namespace facelatch
