// The same arithmetic as image.cc and shot.cc, one thread a pixel. Compiled without contraction of products, so that
// both answer alike.
#include "cuda_shot.h"

namespace facelatch {
namespace {

constexpr int threads = 128;
/// Of a pixel that averages. A pixel of a sweep's smallest level has a thousand of the picture's.
constexpr int lanes = 8;

struct Planes {
  float mean[3];
  float scale[3];
  bool bgr;
};

/// Weights of source pixels first..last along one axis; all but the outermost are equal.
struct Axis {
  int first;
  int last;
  float head;
  float body;
  float tail;

  __device__ float weight(int pixel) const { return pixel == first ? head : pixel == last ? tail : body; }
};

__device__ double clampTo(double value, double low, double high) { return fmin(fmax(value, low), high); }

__device__ Axis axisOf(double start, double length, int outputs, int index, int size) {
  const double step = length / outputs;
  Axis axis{0, -1, 0, 0, 0};
  if (step >= 1) {
    const double from = start + index * step, to = start + (index + 1) * step;
    axis.first = static_cast<int>(clampTo(floor(from), 0, size));
    axis.last = static_cast<int>(clampTo(ceil(to), 0, size)) - 1;
    const auto weight = [&](double pixel) {
      return static_cast<float>((fmin(to, pixel + 1) - fmax(from, pixel)) / (to - from));
    };
    axis.head = weight(axis.first);
    axis.body = static_cast<float>(1 / (to - from));
    axis.tail = weight(axis.last);
    return axis;
  }
  const double low = floor(start), high = fmax(low, ceil(start + length) - 1);
  const double centre = start + (index + 0.5) * step;
  const double left = floor(centre - 0.5), share = centre - 0.5 - left;
  const double a = clampTo(left, low, high), b = clampTo(left + 1, low, high);
  const bool hasA = a >= 0 && a < size, hasB = b >= 0 && b < size;
  const float weightA = static_cast<float>(1 - share), weightB = static_cast<float>(share);
  if (hasA && hasB && a == b) {
    axis.first = axis.last = static_cast<int>(a);
    axis.head = weightA + weightB;
  } else if (hasA && hasB) {
    axis.first = static_cast<int>(a);
    axis.last = static_cast<int>(b);
    axis.head = weightA;
    axis.tail = weightB;
  } else if (hasA || hasB) {
    axis.first = axis.last = static_cast<int>(hasA ? a : b);
    axis.head = hasA ? weightA : weightB;
  }
  return axis;
}

/// `lanes` threads share a pixel: each sums a column of its own, neighbours read neighbours, and all add up the columns
/// in their order.
__device__ void averaged(const CudaFrame& frame, const uint8_t* source, const CudaRow& row, int x, int y, int width,
                         int height, int lane, unsigned group, float* sums) {
  const Axis columns = axisOf(row.of[0], row.of[2], width, x, frame.width);
  const Axis rows = axisOf(row.of[1], row.of[3], height, y, frame.height);
  const size_t stride = static_cast<size_t>(3) * frame.width;
  for (int begin = columns.first; begin <= columns.last; begin += lanes) {
    const int column = begin + lane;
    float line[3] = {0, 0, 0};
    if (column <= columns.last) {
      const uint8_t* pixel = source + rows.first * stride + static_cast<size_t>(3) * column;
      for (int at = rows.first; at <= rows.last; ++at, pixel += stride) {
        const float weight = rows.weight(at);
        for (int channel = 0; channel < 3; ++channel) line[channel] += weight * pixel[channel];
      }
    }
    const int count = min(lanes, columns.last - begin + 1);
    for (int i = 0; i < count; ++i) {
      const float weight = columns.weight(begin + i);
      for (int channel = 0; channel < 3; ++channel) {
        sums[channel] += weight * __shfl_sync(group, line[channel], i, lanes);
      }
    }
  }
}

struct Tap {
  int first;
  int second;
  float share;
};

__device__ Tap tapOf(double from, double length, int outputs, int index) {
  const double step = length / outputs;
  const int low = static_cast<int>(from), high = static_cast<int>(from + length) - 1;
  const double at = from + (index + 0.5) * step - 0.5;
  const double left = floor(at);
  const int pixel = static_cast<int>(left);
  return {min(max(pixel, low), high), min(max(pixel + 1, low), high), static_cast<float>(at - left)};
}

__device__ void bilinear(const CudaFrame& frame, const uint8_t* source, const CudaRow& row, int x, int y, int width,
                         int height, float* sums) {
  const Tap across = tapOf(row.of[0], row.of[2], width, x), down = tapOf(row.of[1], row.of[3], height, y);
  const size_t stride = static_cast<size_t>(3) * frame.width;
  const uint8_t* upper = source + down.first * stride;
  const uint8_t* lower = source + down.second * stride;
  for (int channel = 0; channel < 3; ++channel) {
    const int left = 3 * across.first + channel, right = 3 * across.second + channel;
    const float above = (1 - across.share) * upper[left] + across.share * upper[right];
    const float below = (1 - across.share) * lower[left] + across.share * lower[right];
    sums[channel] = (1 - down.share) * above + down.share * below;
  }
}

__device__ void addSample(const CudaFrame& frame, const uint8_t* source, double x, double y, float* sums) {
  const double left = floor(x), top = floor(y);
  if (left < -1 || top < -1 || left >= frame.width || top >= frame.height) return;
  const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
  const float fx = static_cast<float>(x - left), fy = static_cast<float>(y - top);
  const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
  for (int corner = 0; corner < 4; ++corner) {
    const int px = x0 + (corner & 1), py = y0 + (corner >> 1);
    if (px < 0 || py < 0 || px >= frame.width || py >= frame.height) continue;
    const uint8_t* pixel = source + (static_cast<size_t>(py) * frame.width + px) * 3;
    for (int channel = 0; channel < 3; ++channel) sums[channel] += weights[corner] * pixel[channel];
  }
}

/// Leaves whole numbers, as 8 bits would. Each sample is added up by itself, as warp.cc does.
__device__ void aligned(const CudaFrame& frame, const uint8_t* source, const CudaRow& row, int x, int y, float* sums) {
  const int grid = row.grid;
  const double a = row.of[0], b = row.of[1];
  const double centreX = a * x - b * y + row.of[2], centreY = b * x + a * y + row.of[3];
  for (int step = 0; step < grid * grid; ++step) {
    const double u = (step % grid + 0.5) / grid - 0.5, v = (step / grid + 0.5) / grid - 0.5;
    float sample[3] = {0, 0, 0};
    addSample(frame, source, centreX + (a * u - b * v), centreY + (b * u + a * v), sample);
    for (int channel = 0; channel < 3; ++channel) sums[channel] += sample[channel];
  }
  const float share = 1.f / static_cast<float>(grid * grid);
  for (int channel = 0; channel < 3; ++channel) {
    sums[channel] = static_cast<float>(static_cast<uint8_t>(fminf(255.f, sums[channel] * share + 0.5f)));
  }
}

template <Shot::Sampling sampling>
__global__ void developRows(const CudaFrame* frame, const CudaBatch* batch, int width, int height, Planes planes,
                            float* out, uint8_t* pixels) {
  constexpr int share = sampling == Shot::Sampling::averaged ? lanes : 1;
  const int thread = static_cast<int>(blockIdx.x * threads + threadIdx.x);
  const int pixel = thread / share, lane = thread % share;
  const int area = width * height;
  if (pixel >= area) return;
  const int index = static_cast<int>(blockIdx.y);
  float* target = out + static_cast<size_t>(3) * index * area + pixel;
  if (index >= batch->count) {
    if (lane > 0) return;
    for (int channel = 0; channel < 3; ++channel) target[static_cast<size_t>(channel) * area] = 0;
    return;
  }
  const CudaRow row = reinterpret_cast<const CudaRow*>(batch + 1)[index];
  const uint8_t* source = reinterpret_cast<const uint8_t*>(frame + 1);
  const int y = pixel / width, column = pixel % width;
  const int x = row.mirrored != 0 ? width - 1 - column : column;
  float sums[3] = {0, 0, 0};
  if (sampling == Shot::Sampling::averaged) {
    const unsigned group = ((1u << lanes) - 1) << (threadIdx.x % 32 / lanes * lanes);
    averaged(*frame, source, row, x, y, width, height, lane, group, sums);
  }
  if (lane > 0) return;
  if (sampling == Shot::Sampling::bilinear) bilinear(*frame, source, row, x, y, width, height, sums);
  if (sampling == Shot::Sampling::aligned) aligned(*frame, source, row, x, y, sums);
  for (int channel = 0; channel < 3; ++channel) {
    const int plane = planes.bgr ? 2 - channel : channel;
    target[static_cast<size_t>(plane) * area] = (sums[channel] - planes.mean[plane]) * planes.scale[plane];
  }
  if (sampling == Shot::Sampling::aligned && pixels != nullptr) {
    uint8_t* kept = pixels + (static_cast<size_t>(index) * area + pixel) * 3;
    for (int channel = 0; channel < 3; ++channel) kept[channel] = static_cast<uint8_t>(sums[channel]);
  }
}

__global__ void rgbOfAll(const uint8_t* nv12, Nv12Size size, YuvColours colours, CudaFrame* frame) {
  const int x = static_cast<int>(blockIdx.x * threads + threadIdx.x), y = static_cast<int>(blockIdx.y);
  if (x >= size.width) return;
  if (x == 0 && y == 0) *frame = {size.width, size.height};
  uint8_t* pixels = reinterpret_cast<uint8_t*>(frame + 1);
  rgbOfNv12(nv12, size, colours, x, y, pixels + 3 * (static_cast<size_t>(y) * size.width + x));
}

}  // namespace

cudaError_t cudaRgb(cudaStream_t stream, const uint8_t* nv12, Nv12Size size, const YuvColours& colours,
                    CudaFrame* frame) {
  const dim3 blocks(static_cast<unsigned>((size.width + threads - 1) / threads), static_cast<unsigned>(size.height));
  rgbOfAll<<<blocks, threads, 0, stream>>>(nv12, size, colours, frame);
  return cudaGetLastError();
}

cudaError_t cudaDevelop(cudaStream_t stream, const CudaFrame* frame, const CudaBatch* batch, size_t room,
                        Shot::Sampling sampling, int width, int height, const Normalisation& normalisation,
                        float* planes, uint8_t* pixels) {
  Planes with{};
  for (int plane = 0; plane < 3; ++plane) {
    with.mean[plane] = normalisation.mean[static_cast<size_t>(plane)];
    with.scale[plane] = normalisation.scale[static_cast<size_t>(plane)];
  }
  with.bgr = normalisation.bgr;
  const int each = sampling == Shot::Sampling::averaged ? lanes : 1;
  const dim3 blocks(static_cast<unsigned>((width * height * each + threads - 1) / threads),
                    static_cast<unsigned>(room));
  switch (sampling) {
    case Shot::Sampling::averaged:
      developRows<Shot::Sampling::averaged>
          <<<blocks, threads, 0, stream>>>(frame, batch, width, height, with, planes, pixels);
      break;
    case Shot::Sampling::bilinear:
      developRows<Shot::Sampling::bilinear>
          <<<blocks, threads, 0, stream>>>(frame, batch, width, height, with, planes, pixels);
      break;
    case Shot::Sampling::aligned:
      developRows<Shot::Sampling::aligned>
          <<<blocks, threads, 0, stream>>>(frame, batch, width, height, with, planes, pixels);
      break;
  }
  return cudaGetLastError();
}

}  // namespace facelatch
