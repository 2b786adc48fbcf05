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

struct Embedded {
  std::vector<float> embedding;
  /// RGB packed.
  std::vector<uint8_t> aligned;
};

class Embedder {
 public:
  Embedder(EngineFactory& engines, EmbedderOptions options);

  /// The input picture for one face, RGB packed. Throws ENGINE when the landmarks coincide.
  std::vector<uint8_t> align(const View& picture, const Landmarks& landmarks) const;
  /// For each face its input picture and a row of length 1: the mean direction of it and of its mirror image. Throws
  /// ENGINE.
  std::vector<Embedded> embed(const View& picture, const std::vector<Landmarks>& faces);

  /// Of an aligned picture.
  Clarity clarity(const std::vector<uint8_t>& aligned) const;

  size_t dimensions() const { return options_.dimensions; }

 private:
  Similarity placement(const Landmarks& landmarks) const;

  EmbedderOptions options_;
  std::unique_ptr<Engine> engine_;
  std::vector<Answer> answers_;
};

}  // namespace facelatch
