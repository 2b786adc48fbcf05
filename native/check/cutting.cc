// Shots developed on the GPU against the CPU's, on random pictures, and what nothing can be faster than:
// `facelatch-cuda-check [ROUNDS]`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>

#include "cuda_shot.h"

using namespace facelatch;

namespace {

void check(cudaError_t result) {
  if (result != cudaSuccess) throw std::runtime_error(cudaGetErrorString(result));
}

template <typename T>
struct Device {
  explicit Device(size_t bytes) { check(cudaMalloc(&memory, bytes)); }
  ~Device() { cudaFree(memory); }
  T* get() const { return static_cast<T*>(memory); }
  void* memory = nullptr;
};

struct Difference {
  size_t values = 0, other = 0, pixels = 0, otherPixels = 0;
  double most = 0;
};

struct Random {
  std::mt19937 engine{1};
  double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine); }
  int whole(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine); }
};

Shot randomShot(Random& random, Shot::Sampling sampling, int width, int height) {
  Shot shot{sampling, random.whole(4, 160), random.whole(4, 160)};
  shot.normalisation = {
      {127.5f, 117.001f, 104.298f}, {0.0078125f, 0.00390625f, 0.0175070028f}, random.whole(0, 1) == 1};
  const int pieces = random.whole(1, 9);
  for (int i = 0; i < pieces; ++i) {
    if (sampling == Shot::Sampling::averaged) {
      // Beyond the picture, too, and of every size.
      shot.regions.push_back({random.between(-0.3, 1) * width, random.between(-0.3, 1) * height,
                              random.between(0.01, 1.2) * width, random.between(0.01, 1.2) * height});
    } else if (sampling == Shot::Sampling::bilinear) {
      const int x = random.whole(0, width - 2), y = random.whole(0, height - 2);
      shot.regions.push_back(
          {double(x), double(y), double(random.whole(1, width - x)), double(random.whole(1, height - y))});
    } else {
      const double angle = random.between(-3.2, 3.2), scale = random.between(0.1, 6);
      shot.placements.push_back({scale * std::cos(angle), scale * std::sin(angle), random.between(-0.2, 1.2) * width,
                                 random.between(-0.2, 1.2) * height});
    }
  }
  shot.mirrored = shot.keep = sampling == Shot::Sampling::aligned;
  return shot;
}

void compare(const View& picture, const Device<CudaFrame>& frame, const Shot& shot, size_t room, Difference& found) {
  const size_t row = shot.values();
  std::vector<float> expected(room * row, 0), actual(room * row);
  std::vector<std::vector<uint8_t>> kept;
  develop(picture, shot, expected.data(), kept);

  std::vector<uint8_t> bytes(CudaBatch::bytes(room));
  auto* batch = reinterpret_cast<CudaBatch*>(bytes.data());
  batch->count = static_cast<int32_t>(shot.rows());
  for (size_t i = 0; i < shot.rows(); ++i) batch->rows()[i] = cudaRow(shot, i);
  const Device<CudaBatch> boxes(bytes.size());
  const Device<float> planes(actual.size() * sizeof(float));
  const Device<uint8_t> pieces(room * row);
  check(cudaMemcpy(boxes.memory, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
  check(cudaMemset(planes.memory, 0xff, actual.size() * sizeof(float)));  // what is not written is no number
  check(cudaDevelop(nullptr, frame.get(), boxes.get(), room, shot.sampling, shot.width, shot.height, shot.normalisation,
                    planes.get(), shot.keep ? pieces.get() : nullptr));
  check(cudaMemcpy(actual.data(), planes.memory, actual.size() * sizeof(float), cudaMemcpyDeviceToHost));
  for (size_t i = 0; i < actual.size(); ++i) {
    const double apart = std::fabs(double(actual[i]) - expected[i]);
    ++found.values;
    if (apart == 0) continue;
    ++found.other;
    if (!(apart <= found.most)) found.most = std::isnan(apart) ? HUGE_VAL : apart;
  }
  std::vector<uint8_t> piece(row);
  for (size_t i = 0; i < kept.size(); ++i) {
    check(cudaMemcpy(piece.data(), pieces.get() + i * row, row, cudaMemcpyDeviceToHost));
    for (size_t at = 0; at < row; ++at) found.otherPixels += piece[at] != kept[i][at];
    found.pixels += row;
  }
}

/// A picture of random NV12 made RGB there and here.
void compareNv12(Random& random, Difference& found) {
  const Nv12Size size{random.whole(1, 700), random.whole(1, 500)};
  std::vector<uint8_t> bytes(size.bytes());
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.engine());
  YuvColours colours = random.whole(0, 1) == 1 ? YuvColours::of(0.2126, 0.0722, random.whole(0, 1) == 1)
                                               : YuvColours::of(0.299, 0.114, random.whole(0, 1) == 1);
  colours.onColumn = random.whole(0, 1) == 1;
  colours.onRow = random.whole(0, 1) == 1;
  const Device<uint8_t> nv12(bytes.size());
  const Device<CudaFrame> frame(CudaFrame::bytes(size.width, size.height));
  check(cudaMemcpy(nv12.memory, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
  check(cudaRgb(nullptr, nv12.get(), size, colours, frame.get()));
  std::vector<uint8_t> made(CudaFrame::bytes(size.width, size.height));
  check(cudaMemcpy(made.data(), frame.memory, made.size(), cudaMemcpyDeviceToHost));
  const auto* header = reinterpret_cast<const CudaFrame*>(made.data());
  if (header->width != size.width || header->height != size.height) throw std::runtime_error("a frame of another size");
  const Nv12 expected(std::move(bytes), size, colours);
  for (size_t i = 0; i < expected.rgb().size(); ++i) {
    found.otherPixels += made[sizeof(CudaFrame) + i] != expected.rgb()[i];
  }
  found.pixels += expected.rgb().size();
}

/// Milliseconds, median of 201.
template <typename Work>
double cost(const Work& work) {
  std::vector<double> taken;
  for (int i = 0; i < 201; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    taken.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(taken.begin(), taken.begin() + 100, taken.end());
  return taken[100];
}

/// A picture's way to the device, until it lies there as RGB, as RGB and as NV12.
void wayOf(int width, int height) {
  const Nv12Size size{width, height};
  const size_t rgb = CudaFrame::bytes(width, height);
  const std::vector<uint8_t> picture(rgb, 1);
  const Device<CudaFrame> frame(rgb);
  const Device<uint8_t> nv12(size.bytes());
  void* pinned = nullptr;
  check(cudaHostAlloc(&pinned, rgb, cudaHostAllocMapped));
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const YuvColours colours = YuvColours::of(0.299, 0.114, false);
  const double asRgb = cost([&] {
    std::memcpy(pinned, picture.data(), rgb);
    check(cudaMemcpyAsync(frame.memory, pinned, rgb, cudaMemcpyHostToDevice, stream));
    check(cudaStreamSynchronize(stream));
  });
  const double asNv12 = cost([&] {
    std::memcpy(pinned, picture.data(), size.bytes());
    check(cudaMemcpyAsync(nv12.memory, pinned, size.bytes(), cudaMemcpyHostToDevice, stream));
    check(cudaRgb(stream, nv12.get(), size, colours, frame.get()));
    check(cudaStreamSynchronize(stream));
  });
  std::printf("%dx%d: RGB copied and uploaded %.3f ms; NV12 copied, uploaded and converted %.3f ms\n", width, height,
              asRgb, asNv12);
  cudaStreamDestroy(stream);
  cudaFreeHost(pinned);
}

/// The launch of a cutting of one 12x12 row with the wait for it.
void launches() {
  const Device<CudaFrame> frame(CudaFrame::bytes(640, 480));
  const CudaFrame header{640, 480};
  check(cudaMemcpy(frame.memory, &header, sizeof header, cudaMemcpyHostToDevice));
  const Device<float> planes(3 * 12 * 12 * sizeof(float));
  void* boxes = nullptr;
  check(cudaHostAlloc(&boxes, CudaBatch::bytes(1), cudaHostAllocMapped));
  auto* batch = static_cast<CudaBatch*>(boxes);
  batch->count = 1;
  batch->rows()[0] = {{0, 0, 12, 12}, 1, 0};
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const auto launch = [&] {
    check(cudaDevelop(stream, frame.get(), batch, 1, Shot::Sampling::averaged, 12, 12, {{0, 0, 0}, {1, 1, 1}, false},
                      planes.get(), nullptr));
  };
  launch();
  check(cudaStreamSynchronize(stream));
  const cudaGraphExec_t graph = cudaCapture(stream, [&] {
    launch();
    return true;
  });
  if (graph == nullptr) throw std::runtime_error("a kernel cannot be captured");
  const auto costOf = [&](int count) {
    return cost([&] {
      for (int i = 0; i < count; ++i) check(cudaGraphLaunch(graph, stream));
      check(cudaStreamSynchronize(stream));
    });
  };
  const double one = costOf(1), ten = costOf(10);
  std::printf("graph of one small kernel launched and waited for %.3f ms, ten of them %.3f ms\n", one, ten);
  cudaGraphExecDestroy(graph);
  cudaStreamDestroy(stream);
  cudaFreeHost(boxes);
}

}  // namespace

int main(int count, char** words) {
  const int rounds = count > 1 ? std::atoi(words[1]) : 100;
  try {
    Random random;
    const char* const names[] = {"averaged", "bilinear", "aligned", "NV12"};
    Difference found[4];
    for (int round = 0; round < rounds; ++round) {
      compareNv12(random, found[3]);
      const int width = random.whole(16, 700), height = random.whole(16, 500);
      std::vector<uint8_t> bytes(CudaFrame::bytes(width, height));
      *reinterpret_cast<CudaFrame*>(bytes.data()) = {width, height};
      for (size_t i = sizeof(CudaFrame); i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(random.engine());
      const Device<CudaFrame> frame(bytes.size());
      check(cudaMemcpy(frame.memory, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
      const View picture{bytes.data() + sizeof(CudaFrame), width, height, static_cast<size_t>(width) * 3};
      for (const int kind : {0, 1, 2}) {
        const Shot shot = randomShot(random, static_cast<Shot::Sampling>(kind), width, height);
        compare(picture, frame, shot, shot.rows() + static_cast<size_t>(random.whole(0, 3)), found[kind]);
      }
    }
    int failed = 0;
    for (const int kind : {0, 1, 2, 3}) {
      const Difference& is = found[kind];
      std::printf("%s: %zu of %zu values differ, by at most %.3g; %zu of %zu pixels differ\n", names[kind], is.other,
                  is.values, is.most, is.otherPixels, is.pixels);
      // A processor whose compiler contracts products rounds otherwise, and a pixel may then round the other way.
      failed += is.most > 0.02 || is.otherPixels > (kind == 3 ? 0 : is.pixels / 1000) ? 1 : 0;
    }
    wayOf(640, 480);
    wayOf(1920, 1080);
    launches();
    std::printf("%d failed\n", failed);
    return failed == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "facelatch-cuda-check: %s\n", error.what());
    return 1;
  }
}
