#include "engine.h"

#include <algorithm>

#include "error.h"

namespace facelatch {

void TensorEngine::look(const View& picture, const std::vector<Shot>& shots, std::vector<Answer>& answers) {
  answers.resize(shots.size());
  for (size_t i = 0; i < shots.size(); ++i) {
    const Shot& shot = shots[i];
    answers[i].kept.clear();
    if (shot.pieces() == 0) {
      answers[i].outputs.clear();
      continue;
    }
    input_.reshape({static_cast<int64_t>(shot.rows()), 3, shot.height, shot.width});
    develop(picture, shot, input_.values.data(), answers[i].kept);
    runRows(input_, answers[i].outputs);
  }
}

/// A file frozen at some number of items is run as often as it takes, the last time with black ones to fill up.
void TensorEngine::runRows(const Tensor& rows, std::vector<Tensor>& outputs) {
  const int64_t frozen = batch(), all = rows.shape[0];
  if (frozen <= 0 || frozen == all) return run(rows, outputs);
  const size_t row = rows.values.size() / static_cast<size_t>(all);
  outputs.clear();
  std::vector<Tensor> part;
  for (int64_t begin = 0; begin < all; begin += frozen) {
    const int64_t count = std::min(frozen, all - begin);
    std::vector<int64_t> shape = rows.shape;
    shape[0] = frozen;
    part_.reshape(shape);
    const auto from = rows.values.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(begin) * row);
    const auto filled = static_cast<std::ptrdiff_t>(static_cast<size_t>(count) * row);
    std::copy(from, from + filled, part_.values.begin());
    std::fill(part_.values.begin() + filled, part_.values.end(), 0.f);
    run(part_, part);
    outputs.resize(part.size());
    for (size_t i = 0; i < part.size(); ++i) {
      std::vector<int64_t> whole = part[i].shape;
      if (whole.empty() || whole[0] != frozen)
        throw Error(Code::engine,
                    "a network answered for another number of items than it was asked; run: facelatch models verify");
      whole[0] = begin + count;
      const size_t each = part[i].values.size() / static_cast<size_t>(frozen);
      outputs[i].reshape(whole);
      std::copy_n(part[i].values.begin(), static_cast<size_t>(count) * each,
                  outputs[i].values.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(begin) * each));
    }
  }
}

}  // namespace facelatch
