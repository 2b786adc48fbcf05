// PRelu for ONNX Runtime on the CPU: the runtime's own took 60 % of MobileFaceNet's time, and every tensor was put into
// another order before and after it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

struct OrtCustomOpDomain;

namespace facelatch {

/// Whether a model file has such a node. False also for what is no model file.
bool hasPRelu(std::string_view model);

/// A model that ONNX Runtime has optimised, with its PRelu nodes replaced by `preluDomain`'s. Where the runtime puts a
/// tensor from its blocked order (NCHWc) into the usual one just for PRelu, and back, both are left out. Nothing when
/// there is nothing to replace, or for what is no model file.
std::optional<std::string> withOwnPRelu(std::string_view optimised);

/// To be added to the options of a session that loads such a model. Lives as long as the process.
OrtCustomOpDomain* preluDomain();

}  // namespace facelatch
