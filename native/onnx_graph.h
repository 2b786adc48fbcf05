// As much of ONNX's files as exchanging nodes takes: protobuf's wire format, read and written without its library.
// Numbers of fields: onnx/onnx.proto, https://github.com/onnx/onnx.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace facelatch::onnx {

struct Node {
  std::string domain;
  std::string type;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  /// Attributes that are integers.
  std::vector<std::pair<std::string, int64_t>> integers{};
  /// Everything else about it, as it stood in the file.
  std::string rest{};
};

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
};

/// A model taken apart: its nodes can be changed, the rest stays as it was.
class Graph {
 public:
  /// `model` is a whole file. Throws std::runtime_error when it is no protobuf.
  explicit Graph(std::string_view model);

  std::vector<Node> nodes;
  /// Constants that came with the model.
  std::vector<Tensor> tensors;
  /// What whoever runs the model reads.
  std::vector<std::string> outputs;

  void addConstant(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values);
  /// Operators of this domain may be used, in their first version.
  void addDomain(const std::string& domain);
  std::string file() const;

 private:
  std::string model_;
  std::string graph_;
};

}  // namespace facelatch::onnx
