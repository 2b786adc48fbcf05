#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "check.h"

namespace facelatch::check {
namespace {

struct Answer {
  std::vector<Face> faces;
  /// Of the largest face: by the engine's own landmarks, and by the CPU's, which shows the embedder's error alone.
  std::vector<float> own;
  std::vector<float> given;
  /// Of the largest face; empty without liveness nets.
  std::vector<float> liveness;
  /// Of the largest face, settled.
  std::vector<Landmarks> settled;
};

std::vector<Answer> answers(const RecognizerOptions& options, const std::vector<NamedPicture>& pictures,
                            const std::vector<Answer>* reference) {
  const auto recognizer = load(options);
  const auto engines = options.engine == EngineChoice::tensorrt ? tensorRt(options.tensorrt) : onnxRuntime(0);
  Landmarker landmarker(*engines, options.landmarks);
  Embedder embedder(*engines, options.embedder);
  std::vector<Answer> result;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Picture& picture = *pictures[i].picture;
    Answer answer;
    DetectTimings detecting;
    IdentifyTimings identifying;
    answer.faces = recognizer->detect(picture, detecting);
    if (!answer.faces.empty()) {
      const Face& face = answer.faces[0];
      const std::vector<Box> boxes = options.liveness.empty() ? std::vector<Box>{} : std::vector<Box>{face.box};
      Identification found = recognizer->identify(picture, {face.landmarks}, boxes, 1, identifying).front();
      answer.own = std::move(found.embedding);
      answer.liveness = std::move(found.liveness);
      answer.settled = landmarker.settle(picture.view(), {face.landmarks});
    }
    const std::vector<Landmarks>& given = reference != nullptr ? (*reference)[i].settled : answer.settled;
    if (!given.empty()) answer.given = embedder.embed(picture.view(), given).front().embedding;
    result.push_back(std::move(answer));
  }
  return result;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * b[i];
  return sum;
}

/// Of unit vectors: the length of their difference over the length of either.
double relative(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return std::sqrt(sum);
}

/// The largest shift of an edge, pixels.
double shift(const Box& a, const Box& b) {
  return std::max({std::fabs(a.x - b.x), std::fabs(a.y - b.y), std::fabs(a.x + a.width - b.x - b.width),
                   std::fabs(a.y + a.height - b.y - b.height)});
}

struct Pair {
  size_t a, b;
  bool same;
};

/// PAIRS: two paths and 1 or 0 a line, tabs between. Pairs of pictures that are not there are left out.
std::vector<Pair> readPairs(const std::string& path, const std::vector<NamedPicture>& pictures) {
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < pictures.size(); ++i) index[pictures[i].name] = i;
  std::ifstream file(path);
  std::vector<Pair> pairs;
  std::string a, b;
  int same;
  while (file >> a >> b >> same) {
    const auto first = index.find(a.substr(0, a.rfind('.'))), second = index.find(b.substr(0, b.rfind('.')));
    if (first != index.end() && second != index.end()) pairs.push_back({first->second, second->second, same == 1});
  }
  return pairs;
}

/// Ten folds: the threshold comes from the other nine. A picture without a face fails its pair.
double accuracy(const std::vector<Pair>& pairs, const std::vector<Answer>& found) {
  const auto similarity = [&](const Pair& pair) {
    const auto &a = found[pair.a].own, &b = found[pair.b].own;
    return a.empty() || b.empty() ? -1.0 : dot(a, b);
  };
  size_t right = 0;
  for (size_t fold = 0; fold < 10; ++fold) {
    double best = 0;
    size_t most = 0;
    for (double threshold = -0.2; threshold < 1; threshold += 0.001) {
      size_t count = 0;
      for (size_t i = 0; i < pairs.size(); ++i) {
        count += i % 10 != fold && (similarity(pairs[i]) >= threshold) == pairs[i].same;
      }
      if (count > most) most = count, best = threshold;
    }
    for (size_t i = fold; i < pairs.size(); i += 10) right += (similarity(pairs[i]) >= best) == pairs[i].same;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(pairs.size());
}

struct Differences {
  size_t compared = 0, otherCount = 0, unmatched = 0;
  double worstBox = 0, worstScore = 0;
  double worstGiven = 0, worstOwn = 0, leastGiven = 1, leastOwn = 1, worstLiveness = 0;
  /// Pictures whose embedding is more than 1e-3 away, end to end.
  size_t far = 0;
  /// The same, whose cosine is below 0.9999.
  size_t turned = 0;
};

Differences compare(const std::vector<Answer>& reference, const std::vector<Answer>& found) {
  Differences result;
  for (size_t i = 0; i < reference.size(); ++i) {
    const Answer &a = reference[i], &b = found[i];
    result.otherCount += a.faces.size() != b.faces.size();
    for (const Face& face : a.faces) {
      const Face* nearest = nullptr;
      for (const Face& other : b.faces) {
        if (nearest == nullptr || shift(face.box, other.box) < shift(face.box, nearest->box)) nearest = &other;
      }
      if (nearest == nullptr || shift(face.box, nearest->box) > 20) {
        ++result.unmatched;
        continue;
      }
      result.worstBox = std::max(result.worstBox, shift(face.box, nearest->box));
      result.worstScore = std::max(result.worstScore, std::fabs(double(face.score) - nearest->score));
    }
    if (a.own.empty() || b.own.empty()) continue;
    ++result.compared;
    result.worstGiven = std::max(result.worstGiven, relative(a.given, b.given));
    result.leastGiven = std::min(result.leastGiven, dot(a.given, b.given));
    // The largest face may be another one where two are of a size; the boxes above tell.
    if (shift(a.faces[0].box, b.faces[0].box) > 20) continue;
    result.worstOwn = std::max(result.worstOwn, relative(a.own, b.own));
    result.far += relative(a.own, b.own) > 1e-3;
    result.turned += dot(a.own, b.own) < 0.9999;
    for (size_t net = 0; net < a.liveness.size(); ++net) {
      result.worstLiveness = std::max(result.worstLiveness, std::fabs(double(a.liveness[net]) - b.liveness[net]));
    }
    result.leastOwn = std::min(result.leastOwn, dot(a.own, b.own));
  }
  return result;
}

void print(const char* name, const Differences& is) {
  std::printf(
      "%s: %zu pictures, other number of faces in %zu, faces without a counterpart %zu; box at most %.4f px, score "
      "%.2e\n"
      "  embedder alone: relative error at most %.2e, cosine at least %.7f; end to end: %.2e, %.7f, more than 1e-3 in "
      "%zu; log-odds of liveness apart by at most %.2e\n",
      name, is.compared, is.otherCount, is.unmatched, is.worstBox, is.worstScore, is.worstGiven, is.leastGiven,
      is.worstOwn, is.leastOwn, is.far, is.worstLiveness);
}

int fails(bool holds, const char* what) {
  std::printf("%s: %s\n", holds ? "holds" : "FAILS", what);
  return holds ? 0 : 1;
}

}  // namespace

int parity(const Setup& setup, const std::string& folder, const std::string& pairsFile) {
  const std::vector<NamedPicture> pictures = readPictures(setup, folder, 100000);
  const auto cpu = answers(options(setup, EngineChoice::onnxruntime, Precision::fp32), pictures, nullptr);
  const auto full = answers(options(setup, EngineChoice::tensorrt, Precision::fp32), pictures, &cpu);
  const auto half = answers(options(setup, EngineChoice::tensorrt, Precision::fp16), pictures, &cpu);
  const Differences ofFull = compare(cpu, full), ofHalf = compare(cpu, half), ofBoth = compare(full, half);
  print("FP32 to CPU", ofFull);
  print("FP16 to CPU", ofHalf);
  int failed = fails(ofFull.otherCount == 0 && ofFull.unmatched == 0, "FP32 finds the same faces") +
               fails(ofFull.worstGiven < 1e-3, "FP32 embeddings within 1e-3 relative") +
               // Landmarks a ten-thousandth of a pixel apart make other 8-bit pixels of the aligned face here and
               // there, and once
               // in a thousand pictures a cut of whole pixels begins at the next one.
               fails(ofFull.turned <= (pictures.size() + 999) / 1000,
                     "FP32 cosine to the CPU's end to end at least 0.9999, but "
                     "for one picture in a thousand") +
               fails(ofFull.leastOwn >= 0.999, "and at least 0.999 in all") +
               fails(ofHalf.otherCount == 0 && ofHalf.unmatched == 0, "FP16 finds the same faces") +
               fails(ofHalf.worstBox <= 2, "FP16 boxes within 2 px") +
               fails(ofHalf.leastGiven >= 0.999, "FP16 cosine of the embedder at least 0.999") +
               fails(ofBoth.leastOwn >= 0.999, "FP16 cosine to FP32 end to end at least 0.999");
  if (!pairsFile.empty()) {
    const std::vector<Pair> pairs = readPairs(pairsFile, pictures);
    const double ofCpu = accuracy(pairs, cpu), a = accuracy(pairs, full), b = accuracy(pairs, half);
    std::printf("%zu pairs, ten folds: CPU %.2f %%, FP32 %.2f %%, FP16 %.2f %%\n", pairs.size(), ofCpu, a, b);
    failed += fails(std::fabs(a - b) <= 0.2 + 1e-9, "FP16 accuracy within 0.2 points of FP32");
  }
  return failed;
}

}  // namespace facelatch::check
