#include "embedder.h"

#include <algorithm>
#include <functional>

#include "error.h"
#include "gallery.h"

namespace facelatch {
namespace {

// Bounds memory when a crowd stands before the door.
constexpr size_t mostInBatch = 16;

Error unusable() { return {Code::engine, "the embedder answered no finite vector; run: facelatch models verify"}; }

}  // namespace

Embedder::Embedder(EngineFactory& engines, EmbedderOptions options)
    : options_(std::move(options)),
      engine_(engines.load(options_.path, {{"", {0, 3, options_.height, options_.width}},
                                           {{"", {0, static_cast<int64_t>(options_.dimensions)}}},
                                           // One face at a time is what a door sees, and its mirror image.
                                           {{1, 3, options_.height, options_.width},
                                            {2, 3, options_.height, options_.width},
                                            {mostInBatch, 3, options_.height, options_.width}}})) {}

std::vector<uint8_t> Embedder::align(const View& picture, const Landmarks& landmarks) const {
  return warp(picture, inverse(similarity(landmarks, options_.target)), options_.width, options_.height);
}

std::vector<std::vector<float>> Embedder::embed(const std::vector<std::vector<uint8_t>>& aligned) {
  std::vector<std::vector<uint8_t>> both = aligned;
  for (const std::vector<uint8_t>& face : aligned) {
    both.push_back(face);
    mirror(both.back(), options_.width, options_.height);
  }
  std::vector<std::vector<float>> embeddings = infer(both);
  for (size_t i = 0; i < aligned.size(); ++i) {
    std::vector<float>& row = embeddings[i];
    const std::vector<float>& mirrored = embeddings[aligned.size() + i];
    std::transform(row.begin(), row.end(), mirrored.begin(), row.begin(), std::plus<float>());
    if (!normaliseRow(row.data(), row.size())) throw unusable();
  }
  embeddings.resize(aligned.size());
  return embeddings;
}

/// One row of length 1 for each picture.
std::vector<std::vector<float>> Embedder::infer(const std::vector<std::vector<uint8_t>>& aligned) {
  const size_t face = static_cast<size_t>(3) * options_.width * options_.height;
  const size_t frozen = engine_->batch() > 0 ? static_cast<size_t>(engine_->batch()) : 0;
  const size_t step = frozen > 0 ? frozen : mostInBatch;
  std::vector<std::vector<float>> embeddings;
  for (size_t begin = 0; begin < aligned.size(); begin += step) {
    const size_t count = std::min(step, aligned.size() - begin);
    const size_t rows = frozen > 0 ? frozen : count;
    input_.reshape({static_cast<int64_t>(rows), 3, options_.height, options_.width});
    std::fill(input_.values.begin() + static_cast<std::ptrdiff_t>(count * face), input_.values.end(), 0.f);
    for (size_t i = 0; i < count; ++i) {
      const View view{aligned[begin + i].data(), options_.width, options_.height,
                      static_cast<size_t>(options_.width) * 3};
      normalise(view, options_.normalisation, &input_.values[i * face]);
    }
    engine_->run(input_, outputs_);
    if (outputs_[0].values.size() != rows * options_.dimensions) {
      throw Error(Code::engine, "the embedder answered for another number of faces; run: facelatch models verify");
    }
    for (size_t i = 0; i < count; ++i) {
      const float* row = &outputs_[0].values[i * options_.dimensions];
      std::vector<float> embedding(row, row + options_.dimensions);
      if (!normaliseRow(embedding.data(), embedding.size())) throw unusable();
      embeddings.push_back(std::move(embedding));
    }
  }
  return embeddings;
}

Clarity Embedder::clarity(const std::vector<uint8_t>& aligned) const {
  return clarityOf(aligned, options_.width, options_.height, options_.target);
}

}  // namespace facelatch
