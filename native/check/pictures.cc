#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "check.h"

namespace facelatch::check {
namespace fs = std::filesystem;
namespace {

/// As NV12 of BT.601 where the setup wants that. The colour differences of four pixels are those of their mean.
PicturePtr asWanted(const Setup& setup, PicturePtr picture) {
  if (!setup.nv12) return picture;
  const Nv12Size size{picture->width, picture->height};
  constexpr double kr = 0.299, kb = 0.114;
  const std::vector<uint8_t>& rgb = picture->rgb();
  std::vector<uint8_t> bytes(size.bytes());
  const auto grey = [](const double* of) { return kr * of[0] + (1 - kr - kb) * of[1] + kb * of[2]; };
  for (int y = 0; y < size.height; y += 2) {
    for (int x = 0; x < size.width; x += 2) {
      double mean[3] = {0, 0, 0};
      for (int corner = 0; corner < 4; ++corner) {
        const int px = std::min(x + corner % 2, size.width - 1), py = std::min(y + corner / 2, size.height - 1);
        const size_t at = static_cast<size_t>(py) * static_cast<size_t>(size.width) + static_cast<size_t>(px);
        const double pixel[3] = {double(rgb[3 * at]), double(rgb[3 * at + 1]), double(rgb[3 * at + 2])};
        for (int c = 0; c < 3; ++c) mean[c] += pixel[c] / 4;
        bytes[at] = static_cast<uint8_t>(std::lround(16 + grey(pixel) * 219 / 255));
      }
      const size_t pair = static_cast<size_t>(y / 2) * static_cast<size_t>(size.pairs()) + static_cast<size_t>(x / 2);
      uint8_t* chroma = &bytes[size.luma() + 2 * pair];
      const auto difference = [&](double of, double k) {
        return static_cast<uint8_t>(std::lround(128 + (of - grey(mean)) / (2 * (1 - k)) * 224 / 255));
      };
      chroma[0] = difference(mean[2], kb);
      chroma[1] = difference(mean[0], kr);
    }
  }
  YuvColours colours = YuvColours::of(kr, kb, false);
  colours.onColumn = false;
  return std::make_shared<Picture>(std::move(bytes), size, colours);
}

}  // namespace

PicturePtr readPpm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int width = 0, height = 0, most = 0;
  file >> magic >> width >> height >> most;
  file.get();
  if (!file || magic != "P6" || most != 255 || width < 1 || height < 1 || width > 16384 || height > 16384) {
    throw std::runtime_error(path + " is no binary 8-bit PPM");
  }
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3);
  file.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
  if (!file) throw std::runtime_error(path + " is cut short");
  return std::make_shared<Picture>(std::move(pixels), width, height);
}

std::vector<NamedPicture> readPictures(const Setup& setup, const std::string& folder, size_t most) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".ppm") files.push_back(entry.path());
  }
  if (files.empty()) throw std::runtime_error("no .ppm in " + folder);
  std::sort(files.begin(), files.end());
  if (files.size() > most) files.resize(most);
  std::vector<NamedPicture> pictures;
  for (const fs::path& file : files) {
    pictures.push_back(
        {fs::relative(file, folder).replace_extension().string(), asWanted(setup, readPpm(file.string()))});
  }
  return pictures;
}

PicturePtr scene(const Setup& setup, const std::vector<NamedPicture>& pictures, size_t count) {
  constexpr int width = 640, height = 480;
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3, 128);
  const int side = count == 1 ? 250 : 160;
  std::vector<float> planes(static_cast<size_t>(3) * side * side);
  for (size_t i = 0; i < count; ++i) {
    const View view = pictures.at(i).picture->view().withPixels();
    resample(view, {0, 0, double(view.width), double(view.height)}, side, side, {{0, 0, 0}, {1, 1, 1}, false},
             planes.data());
    const int left = count == 1 ? 195 : static_cast<int>(i % 4) * side;
    const int top = count == 1 ? 115 : static_cast<int>(i / 4) * side;
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x) {
        for (int c = 0; c < 3; ++c) {
          pixels[(static_cast<size_t>(top + y) * width + left + x) * 3 + c] =
              static_cast<uint8_t>(std::lround(planes[(static_cast<size_t>(c) * side + y) * side + x]));
        }
      }
    }
  }
  return asWanted(setup, std::make_shared<Picture>(std::move(pixels), width, height));
}

RecognizerOptions options(const Setup& setup, EngineChoice engine, Precision precision) {
  const auto file = [&](const std::string& name) { return setup.models + "/" + name + ".onnx"; };
  RecognizerOptions result{};
  // firmware/config-schema.ts and models/manifest.json.
  result.detector.minFace = 40;
  result.detector.maxFaces = 16;
  result.detector.factor = 0.709;
  if (setup.detector == "mtcnn") {
    result.detector.pnet = file("mtcnn-pnet");
    result.detector.rnet = file("mtcnn-rnet");
    result.detector.onet = file("mtcnn-onet");
    result.detector.scores = {0.6f, 0.7f, 0.7f};
  } else if (setup.detector == "yunet") {
    result.detector.type = DetectorType::yunet;
    result.detector.yunet = file("yunet-n");
    result.detector.score = 0.7f;
  } else {
    throw std::runtime_error("no detector is named " + setup.detector + "; take mtcnn or yunet");
  }
  result.landmarks = file("mtcnn-onet");
  if (setup.embedder == "dlib-resnet") {
    result.embedder = {file(setup.embedder),
                       150,
                       150,
                       {{122.782f, 117.001f, 104.298f}, {0.00390625f, 0.00390625f, 0.00390625f}, false},
                       {46.27f, 44.38f, 101.68f, 44.38f, 73.97f, 76.98f, 49.51f, 105.07f, 98.44f, 105.07f},
                       128};
  } else if (setup.embedder == "mobilefacenet-192") {
    result.embedder = {
        file(setup.embedder),
        112,
        112,
        {{127.5f, 127.5f, 127.5f}, {0.0078125f, 0.0078125f, 0.0078125f}, false},
        {38.2946f, 51.6963f, 73.5318f, 51.5014f, 56.0252f, 71.7366f, 41.5493f, 92.3655f, 70.7299f, 92.2041f},
        192};
  } else {
    throw std::runtime_error("no embedder is named " + setup.embedder + "; take mobilefacenet-192 or dlib-resnet");
  }
  if (setup.liveness) {
    const Normalisation plain{{0, 0, 0}, {1, 1, 1}, true};
    result.liveness = {{file("minifasnet-v2"), 80, 80, plain, 2.7}, {file("minifasnet-v1se"), 80, 80, plain, 4}};
  }
  result.engine = engine;
  result.tensorrt.precision = precision;
  result.tensorrt.plans = setup.plans;
  return result;
}

std::unique_ptr<Recognizer> load(const RecognizerOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  auto recognizer = std::make_unique<Recognizer>(options);
  std::printf("%s: loaded in %.2f s\n", recognizer->engine().c_str(),
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  for (const std::string& note : recognizer->notes()) std::printf("  %s\n", note.c_str());
  if (!recognizer->fallback().empty()) std::printf("  fallback: %s\n", recognizer->fallback().c_str());
  std::fflush(stdout);
  return recognizer;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

}  // namespace facelatch::check
