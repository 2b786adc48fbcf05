// From a face's landmarks to its embedding: align by the model's template, normalise, run in batches.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clarity.h"
#include "engine.h"
#include "image.h"

namespace facelatch {

struct EmbedderOptions {
  std::string path;
  int width;
  int height;
  Normalisation normalisation;
  /// Where the landmarks are placed in the input picture, pixels.
  Landmarks target;
  size_t dimensions;
};

class Embedder {
 public:
  Embedder(EngineFactory& engines, EmbedderOptions options);

  /// The input picture for one face, RGB packed. Throws ENGINE when the landmarks coincide.
  std::vector<uint8_t> align(const View& picture, const Landmarks& landmarks) const;
  /// One row of length 1 for each aligned picture: the mean direction of it and of its mirror image. Throws ENGINE.
  std::vector<std::vector<float>> embed(const std::vector<std::vector<uint8_t>>& aligned);

  /// Of an aligned picture.
  Clarity clarity(const std::vector<uint8_t>& aligned) const;

  size_t dimensions() const { return options_.dimensions; }

 private:
  std::vector<std::vector<float>> infer(const std::vector<std::vector<uint8_t>>& aligned);

  EmbedderOptions options_;
  std::unique_ptr<Engine> engine_;
  Tensor input_;
  std::vector<Tensor> outputs_;
};

}  // namespace facelatch
