#include "embedder.h"

#include <algorithm>
#include <functional>

#include "error.h"
#include "gallery.h"

namespace facelatch {
namespace {

// Bounds memory when a crowd stands before the door.
constexpr size_t mostFaces = 8;
constexpr int64_t mostInBatch = 2 * mostFaces;

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

Similarity Embedder::placement(const Landmarks& landmarks) const {
  return inverse(similarity(landmarks, options_.target));
}

std::vector<uint8_t> Embedder::align(const View& picture, const Landmarks& landmarks) const {
  return warp(picture.withPixels(), placement(landmarks), options_.width, options_.height);
}

std::vector<Embedded> Embedder::embed(const View& picture, const std::vector<Landmarks>& faces) {
  std::vector<Shot> shots;
  for (size_t begin = 0; begin < faces.size(); begin += mostFaces) {
    Shot shot{Shot::Sampling::aligned, options_.width, options_.height, options_.normalisation};
    shot.mirrored = shot.keep = true;
    for (size_t i = begin; i < std::min(begin + mostFaces, faces.size()); ++i) {
      shot.placements.push_back(placement(faces[i]));
    }
    shots.push_back(std::move(shot));
  }
  engine_->look(picture, shots, answers_);
  std::vector<Embedded> result;
  for (size_t shot = 0; shot < shots.size(); ++shot) {
    const size_t pieces = shots[shot].pieces();
    Answer& answer = answers_[shot];
    std::vector<float>& values = answer.outputs[0].values;
    if (values.size() != 2 * pieces * options_.dimensions) {
      throw Error(Code::engine, "the embedder answered for another number of faces; run: facelatch models verify");
    }
    for (size_t i = 0; i < pieces; ++i) {
      float* row = &values[i * options_.dimensions];
      float* turned = &values[(pieces + i) * options_.dimensions];
      if (!normaliseRow(row, options_.dimensions) || !normaliseRow(turned, options_.dimensions)) throw unusable();
      std::vector<float> embedding(options_.dimensions);
      std::transform(row, row + options_.dimensions, turned, embedding.begin(), std::plus<float>());
      if (!normaliseRow(embedding.data(), embedding.size())) throw unusable();
      result.push_back({std::move(embedding), std::move(answer.kept[i])});
    }
  }
  return result;
}

Clarity Embedder::clarity(const std::vector<uint8_t>& aligned) const {
  return clarityOf(aligned, options_.width, options_.height, options_.target);
}

}  // namespace facelatch
