// Networks on the GPU through enqueueV3, which TensorRT 8.5 to 11 share.
#include <algorithm>
#include <list>

#include "engine_module.h"
#include "tensorrt_batch.h"

namespace facelatch {
namespace {

/// Shapes of one network that are kept ready; a sweep of 640x480 has eight.
constexpr size_t mostBatches = 32;

/// A larger plan is not loaded once more for each size of a batch.
constexpr size_t mostRepeated = 32u << 20;

class TensorRtEngine : public Engine {
 public:
  TensorRtEngine(std::shared_ptr<TrtContext> shared, const std::string& path, const ModelSpec& spec)
      : shared_(std::move(shared)), path_(path), plan_(shared_->planOf(path, spec)) {
    check(spec);
    // Kernels are loaded at first use, ours too; a driver that cannot run them says so now, while there is a CPU to
    // fall back to.
    try {
      const std::vector<uint8_t> black(3);
      Shot shot{Shot::Sampling::averaged, static_cast<int>(spec.range.usual[3]), static_cast<int>(spec.range.usual[2])};
      shot.regions.resize(static_cast<size_t>(batch_ > 0 ? batch_ : spec.range.usual[0]), {0, 0, 1, 1});
      std::vector<Answer> answers;
      look({black.data(), 1, 1, 3}, {shot}, answers);
    } catch (const Error& error) {
      throw Error(Code::modelLoad, "TensorRT cannot run model " + path_ + ": " + error.what());
    }
    batches_.clear();
  }

  void look(const View& picture, const std::vector<Shot>& shots, std::vector<Answer>& answers) override {
    if (!started_.empty()) {  // what an error left behind must not write into what comes now
      cudaStreamSynchronize(shared_->stream);
      started_.clear();
    }
    shared_->show(picture);
    answers.resize(shots.size());
    std::vector<Row> rows;
    for (size_t i = 0; i < shots.size(); ++i) {
      answers[i].kept.clear();
      answers[i].outputs.clear();
      if (i > 0 && !(ShotForm(shots[i]) == ShotForm(shots[i - 1]))) startAll(shots, rows, answers);
      for (size_t row = 0; row < shots[i].rows(); ++row) rows.push_back({i, row});
    }
    startAll(shots, rows, answers);
    finishAll(shots, answers);
  }

 private:
  struct Row {
    size_t shot;
    size_t row;
  };
  struct Started {
    TrtBatch* batch;
    std::vector<Row> rows;
  };

  /// Queues rows of one form, as many at a time as the network takes, and empties the list.
  void startAll(const std::vector<Shot>& shots, std::vector<Row>& rows, std::vector<Answer>& answers) {
    const size_t most = static_cast<size_t>(batch_ > 0 ? batch_ : most_[0]);
    for (size_t begin = 0; begin < rows.size(); begin += most) {
      const size_t count = std::min(most, rows.size() - begin);
      const ShotForm form(shots[rows[begin].shot]);
      const size_t room = roomFor(count);
      const auto ready = find(form, room);
      const auto runs = [&](const Started& one) { return ready != batches_.end() && one.batch == ready->get(); };
      // Its buffers hold one answer; and to make a new one another may have to go.
      if (ready == batches_.end() || std::any_of(started_.begin(), started_.end(), runs)) finishAll(shots, answers);
      TrtBatch& batch = ready != batches_.end() ? use(ready) : make(form, room);
      batch.boxes().count = static_cast<int32_t>(count);
      std::vector<Row> these(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                             rows.begin() + static_cast<std::ptrdiff_t>(begin + count));
      for (size_t i = 0; i < count; ++i) batch.boxes().rows()[i] = cudaRow(shots[these[i].shot], these[i].row);
      started_.push_back({&batch, std::move(these)});
      batch.start();
    }
    rows.clear();
  }

  void finishAll(const std::vector<Shot>& shots, std::vector<Answer>& answers) {
    if (started_.empty()) return;
    shared_->wait("run a network");
    for (const Started& one : started_) {
      for (size_t i = 0; i < one.rows.size(); ++i) {
        const Row& row = one.rows[i];
        const Shot& shot = shots[row.shot];
        Answer& answer = answers[row.shot];
        answer.outputs.resize(outputNames_.size());
        for (size_t output = 0; output < outputNames_.size(); ++output) {
          Tensor& tensor = answer.outputs[output];
          if (tensor.shape.empty() || row.row == 0) {
            std::vector<int64_t> shape = one.batch->shape(output);
            shape[0] = static_cast<int64_t>(shot.rows());
            tensor.reshape(shape);
          }
          const size_t each = tensor.values.size() / shot.rows();
          std::copy_n(one.batch->row(output, i), each,
                      tensor.values.begin() + static_cast<std::ptrdiff_t>(row.row * each));
        }
        if (shot.keep && row.row < shot.pieces()) {
          const uint8_t* piece = one.batch->piece(i);
          answer.kept.emplace_back(piece, piece + shot.values());
        }
      }
    }
    started_.clear();
  }

  /// Powers of two, so that a crowd that comes and goes needs few shapes.
  size_t roomFor(size_t count) const {
    if (batch_ > 0) return static_cast<size_t>(batch_);
    if (plan_.bytes.size() > mostRepeated) return static_cast<size_t>(most_[0]);
    size_t room = static_cast<size_t>(least_[0]);
    while (room < count) room *= 2;
    return std::min(room, static_cast<size_t>(most_[0]));
  }

  using Batches = std::list<std::unique_ptr<TrtBatch>>;

  Batches::iterator find(const ShotForm& form, size_t rows) {
    return std::find_if(batches_.begin(), batches_.end(),
                        [&](const auto& batch) { return batch->rows() == rows && batch->form() == form; });
  }

  TrtBatch& use(Batches::iterator batch) {
    batches_.splice(batches_.begin(), batches_, batch);
    return *batches_.front();
  }

  /// The one longest unused goes: a picture of another size has other shapes altogether.
  TrtBatch& make(const ShotForm& form, size_t rows) {
    requireFits({static_cast<int64_t>(rows), 3, form.height, form.width});
    if (batches_.size() >= mostBatches) batches_.pop_back();
    batches_.push_front(std::make_unique<TrtBatch>(shared_, plan_, inputName_, outputNames_, form, rows));
    return *batches_.front();
  }

  void requireFits(const std::vector<int64_t>& shape) const {
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] < least_[i] || shape[i] > most_[i]) {
        throw Error(Code::engine, "a picture makes an input of " + shapeText(shape) + " for " + path_ +
                                      ", whose plan takes " + shapeText(least_) + " to " + shapeText(most_) +
                                      "; lower the camera's size or raise recognizer.minFace");
      }
    }
  }

  void check(const ModelSpec& spec) {
    std::vector<std::string> inputs, outputs;
    for (int32_t i = 0; i < plan_.engine->getNbIOTensors(); ++i) {
      const char* name = plan_.engine->getIOTensorName(i);
      const bool in = plan_.engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
      (in ? inputs : outputs).emplace_back(name);
    }
    if (inputs.size() != 1) refuse("it has " + std::to_string(inputs.size()) + " inputs, not one");
    inputName_ = match(spec.input, "input", inputs);
    const int64_t first = plan_.engine->getTensorShape(inputName_.c_str()).d[0];
    batch_ = first > 0 ? first : -1;
    using Select = nvinfer1::OptProfileSelector;
    least_ = shapeOf(plan_.engine->getProfileShape(inputName_.c_str(), 0, Select::kMIN));
    most_ = shapeOf(plan_.engine->getProfileShape(inputName_.c_str(), 0, Select::kMAX));
    if (least_ != spec.range.least || most_ != spec.range.most) {
      const bool frozen = batch_ > 0 && spec.input.shape[0] == 0;
      if (!frozen) refuse("its input " + inputName_ + " cannot change its shape");
    }
    for (const TensorSpec& output : spec.outputs) {
      outputNames_.push_back(match(output, "output", outputs));
    }
    // Every output needs an address, also one that nobody reads.
    for (const std::string& name : outputs) {
      if (std::find(outputNames_.begin(), outputNames_.end(), name) == outputNames_.end())
        refuse("it has an output named " + name + " that nothing reads");
    }
  }

  std::string match(const TensorSpec& spec, const std::string& kind, const std::vector<std::string>& names) const {
    if (spec.name.empty() && names.size() != 1) refuse("it has more than one " + kind);
    const auto found = spec.name.empty() ? names.begin() : std::find(names.begin(), names.end(), spec.name);
    if (found == names.end()) refuse("it has no " + kind + " named " + spec.name);
    if (plan_.engine->getTensorDataType(found->c_str()) != nvinfer1::DataType::kFLOAT) {
      refuse(kind + " " + *found + " is not of 32-bit floats");
    }
    const std::vector<int64_t> shape = shapeOf(plan_.engine->getTensorShape(found->c_str()));
    bool fits = shape.size() == spec.shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) {
      // Free in the file and in one size only in the profile is fixed here.
      fits = spec.shape[i] <= 0 || shape[i] < 0 || shape[i] == spec.shape[i];
    }
    if (!fits) refuse(kind + " " + *found + " is of shape " + shapeText(shape) + ", not " + shapeText(spec.shape));
    return *found;
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Code::modelLoad, "cannot use model " + path_ + ": " + why + "; run: facelatch models verify");
  }

  std::shared_ptr<TrtContext> shared_;
  std::string path_;
  TrtPlan plan_;
  int64_t batch_ = -1;
  std::vector<int64_t> least_, most_;
  std::string inputName_;
  std::vector<std::string> outputNames_;
  Batches batches_;
  std::vector<Started> started_;
};

class TensorRtFactory : public EngineFactory {
 public:
  explicit TensorRtFactory(const TensorRtOptions& options) : shared_(std::make_shared<TrtContext>(options)) {}

  std::unique_ptr<Engine> load(const std::string& path, const ModelSpec& spec) override {
    return std::make_unique<TensorRtEngine>(shared_, path, spec);
  }
  bool prefersNv12() const override { return true; }
  std::string description() const override {
    return "TensorRT " + shared_->key.runtime + ", " + shared_->key.device + ", " +
           (shared_->half ? "FP16 (detector FP32)" : "FP32");
  }
  std::vector<std::string> notes() const override { return shared_->notes; }

 private:
  std::shared_ptr<TrtContext> shared_;
};

}  // namespace
}  // namespace facelatch

extern "C" __attribute__((visibility("default"))) void FACELATCH_TENSORRT_ENTRY(
    const facelatch::TensorRtOptions& options, std::shared_ptr<facelatch::EngineFactory>& factory) {
  factory = std::make_shared<facelatch::TensorRtFactory>(options);
}
