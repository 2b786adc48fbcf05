// Whether two pictures are the same one, told without keeping either.
#pragma once

#include "image.h"

namespace facelatch {

/// A whole number below 2^52, which JavaScript holds exactly: equal for equal pictures, different for others but for
/// one chance in 2^52. NV12 is looked at as it came. 0 for a picture without contrast: a covered lens may well give
/// equal black ones. Of tall pictures every so-many-th row is looked at, since a sensor's noise is everywhere.
double fingerprint(const View& picture);

}  // namespace facelatch
