#include "onnx_graph.h"

#include <optional>
#include <stdexcept>

namespace facelatch::onnx {
namespace {

enum Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  uint64_t number;
  uint64_t wire;
  /// Of a varint.
  uint64_t value;
  /// Of bytes.
  std::string_view content;
  /// With its tag.
  std::string_view whole;
};

class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  bool more() const { return at_ < message_.size(); }

  bool next(Field& field) {
    if (!more()) return false;
    const size_t begin = at_;
    const uint64_t tag = number();
    field = {tag >> 3, tag & 7, 0, {}, {}};
    switch (field.wire) {
      case varint:
        field.value = number();
        break;
      case fixed64:
        take(8);
        break;
      case bytes:
        field.content = take(number());
        break;
      case fixed32:
        take(4);
        break;
      default:
        throw std::runtime_error("no ONNX file");
    }
    field.whole = message_.substr(begin, at_ - begin);
    return true;
  }

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("no ONNX file");
  }

 private:
  std::string_view take(uint64_t size) {
    if (size > message_.size() - at_) throw std::runtime_error("an ONNX file that is cut off");
    at_ += size;
    return message_.substr(at_ - size, size);
  }

  std::string_view message_;
  size_t at_ = 0;
};

void putNumber(std::string& to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

void putInteger(std::string& to, uint64_t field, int64_t value) {
  putNumber(to, field << 3 | varint);
  putNumber(to, static_cast<uint64_t>(value));
}

void putBytes(std::string& to, uint64_t field, std::string_view content) {
  putNumber(to, field << 3 | bytes);
  putNumber(to, content.size());
  to += content;
}

/// Fields of the messages that are read or written here.
namespace model {
constexpr uint64_t graph = 7, opsetImport = 8;
}
namespace graph {
constexpr uint64_t node = 1, initializer = 5, output = 12;
}
namespace node {
constexpr uint64_t input = 1, output = 2, type = 4, attribute = 5, domain = 7;
}
namespace attribute {
constexpr uint64_t name = 1, integer = 3, type = 20, typeInteger = 2;
}
namespace tensor {
constexpr uint64_t dims = 1, dataType = 2, name = 8, rawData = 9, typeFloat = 1;
}
namespace opset {
constexpr uint64_t domain = 1, version = 2;
}
constexpr uint64_t valueName = 1;

Node readNode(std::string_view message) {
  Node result;
  Reader reader(message);
  for (Field field; reader.next(field);) {
    if (field.number == node::input) {
      result.inputs.emplace_back(field.content);
    } else if (field.number == node::output) {
      result.outputs.emplace_back(field.content);
    } else if (field.number == node::type) {
      result.type = field.content;
    } else if (field.number == node::domain) {
      result.domain = field.content;
    } else {
      result.rest += field.whole;
    }
    if (field.number != node::attribute) continue;
    std::string name;
    std::optional<int64_t> integer;
    Reader parts(field.content);
    for (Field part; parts.next(part);) {
      if (part.number == attribute::name) name = part.content;
      if (part.number == attribute::integer) integer = static_cast<int64_t>(part.value);
    }
    if (integer) result.integers.emplace_back(name, *integer);
  }
  return result;
}

std::string writeNode(const Node& from) {
  std::string message;
  for (const std::string& input : from.inputs) putBytes(message, node::input, input);
  for (const std::string& output : from.outputs) putBytes(message, node::output, output);
  putBytes(message, node::type, from.type);
  putBytes(message, node::domain, from.domain);
  message += from.rest;
  // Those that were read are in `rest` already.
  for (const auto& [name, value] : from.integers) {
    if (!from.rest.empty()) break;
    std::string given;
    putBytes(given, attribute::name, name);
    putInteger(given, attribute::integer, value);
    putInteger(given, attribute::type, attribute::typeInteger);
    putBytes(message, node::attribute, given);
  }
  return message;
}

Tensor readTensor(std::string_view message) {
  Tensor result;
  Reader reader(message);
  for (Field field; reader.next(field);) {
    if (field.number == tensor::name) result.name = field.content;
    if (field.number != tensor::dims) continue;
    if (field.wire == varint) result.shape.push_back(static_cast<int64_t>(field.value));
    Reader packed(field.content);
    while (packed.more()) result.shape.push_back(static_cast<int64_t>(packed.number()));
  }
  return result;
}

}  // namespace

Graph::Graph(std::string_view file) {
  Reader reader(file);
  for (Field field; reader.next(field);) {
    if (field.number != model::graph) {
      model_ += field.whole;
      continue;
    }
    Reader parts(field.content);
    for (Field part; parts.next(part);) {
      if (part.number == graph::node) {
        nodes.push_back(readNode(part.content));
        continue;
      }
      graph_ += part.whole;
      if (part.number == graph::initializer) tensors.push_back(readTensor(part.content));
      if (part.number != graph::output) continue;
      Reader value(part.content);
      for (Field of; value.next(of);) {
        if (of.number == valueName) outputs.emplace_back(of.content);
      }
    }
  }
}

void Graph::addConstant(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
  std::string message;
  for (const int64_t size : shape) putInteger(message, tensor::dims, size);
  putInteger(message, tensor::dataType, tensor::typeFloat);
  putBytes(message, tensor::name, name);
  // Little-endian, as every machine this is built for.
  putBytes(message, tensor::rawData, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  putBytes(graph_, graph::initializer, message);
  tensors.push_back({name, shape});
}

void Graph::addDomain(const std::string& domain) {
  std::string message;
  putBytes(message, opset::domain, domain);
  putInteger(message, opset::version, 1);
  putBytes(model_, model::opsetImport, message);
}

std::string Graph::file() const {
  std::string all;
  for (const Node& each : nodes) putBytes(all, graph::node, writeNode(each));
  all += graph_;
  std::string result = model_;
  putBytes(result, model::graph, all);
  return result;
}

}  // namespace facelatch::onnx
