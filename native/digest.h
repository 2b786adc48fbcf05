// SHA-256 (FIPS 180-4), so that the native side needs no crypto library for the one thing it hashes: plans and models.
#pragma once

#include <cstddef>
#include <string>

namespace facelatch {

/// Lower-case hexadecimal, 64 characters.
std::string sha256(const void* data, size_t size);

}  // namespace facelatch
