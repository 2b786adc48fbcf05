// The least a test needs: each file is one program that CTest runs.
#pragma once

#include <cmath>
#include <cstdio>
#include <exception>

inline int failures = 0;

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                           \
    }                                                                       \
  } while (false)

#define CHECK_NEAR(actual, expected, tolerance)                                              \
  do {                                                                                       \
    const double is = (actual), should = (expected);                                         \
    if (!(std::fabs(is - should) <= (tolerance))) {                                          \
      std::printf("%s:%d: %s is %.9g, not %.9g\n", __FILE__, __LINE__, #actual, is, should); \
      ++failures;                                                                            \
    }                                                                                        \
  } while (false)

#define CHECK_THROWS(expression, Type)                                                 \
  do {                                                                                 \
    bool thrown = false;                                                               \
    try {                                                                              \
      (void)(expression);                                                              \
    } catch (const Type&) {                                                            \
      thrown = true;                                                                   \
    }                                                                                  \
    if (!thrown) {                                                                     \
      std::printf("%s:%d: threw no %s: %s\n", __FILE__, __LINE__, #Type, #expression); \
      ++failures;                                                                      \
    }                                                                                  \
  } while (false)

template <typename... Tests>
int runAll(Tests... tests) {
  try {
    (tests(), ...);
  } catch (const std::exception& error) {
    std::printf("threw: %s\n", error.what());
    ++failures;
  }
  if (failures == 0) std::printf("ok\n");
  return failures == 0 ? 0 : 1;
}
