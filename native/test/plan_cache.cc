#include "plan_cache.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "check.h"
#include "digest.h"

using namespace facelatch;

namespace {

const PlanKey key{"10.3.0", "8.7", "Orin", std::string(64, 'a'), "fp16", "[1,3,12,12]"};
const std::string body = std::string("a plan\n\nwith zeros\0 in it", 25) + std::string(100000, 'x');

std::string folder() {
  char name[] = "/tmp/facelatch-plans-XXXXXX";
  return std::string(mkdtemp(name)) + "/deep/er";
}

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void spill(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

bool loads(const PlanCache& cache, const PlanKey& wanted, std::string& why) {
  const auto plan = cache.load("net", wanted, why);
  return plan && std::string(plan->begin(), plan->end()) == body;
}

void digestsAsPublished() {
  // FIPS 180-4's own examples, and the lengths around a block's end by their known values.
  CHECK(sha256("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  CHECK(sha256(two.data(), two.size()) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

void aPlanComesBack() {
  const PlanCache cache(folder());
  std::string why;
  CHECK(!loads(cache, key, why) && why.empty());
  CHECK(cache.store("net", key, body.data(), body.size()).empty());
  CHECK(loads(cache, key, why) && why.empty());
}

void anotherKeyIsAnotherPlan() {
  const PlanCache cache(folder());
  std::string why;
  CHECK(cache.store("net", key, body.data(), body.size()).empty());
  for (std::string PlanKey::*part : {&PlanKey::runtime, &PlanKey::capability, &PlanKey::device, &PlanKey::model,
                                     &PlanKey::precision, &PlanKey::profile}) {
    PlanKey other = key;
    other.*part += "1";
    CHECK(!loads(cache, other, why) && why.empty());
    // Not even when somebody gives the file the name that is looked for.
    spill(cache.path("net", other), slurp(cache.path("net", key)));
    CHECK(!loads(cache, other, why) && !why.empty());
  }
}

void damageIsSeen() {
  const PlanCache cache(folder());
  std::string why;
  CHECK(cache.store("net", key, body.data(), body.size()).empty());
  const std::string path = cache.path("net", key), whole = slurp(path);
  for (const size_t length : {size_t{0}, size_t{5}, size_t{60}, whole.size() / 2, whole.size() - 1}) {
    spill(path, whole.substr(0, length));
    CHECK(!loads(cache, key, why) && !why.empty());
  }
  for (const size_t at : {size_t{3}, size_t{40}, whole.size() - body.size() - 3, whole.size() / 2, whole.size() - 1}) {
    std::string bent = whole;
    bent[at] ^= 1;
    spill(path, bent);
    CHECK(!loads(cache, key, why) && !why.empty());
  }
  spill(path, whole + "more");
  CHECK(!loads(cache, key, why));
  CHECK(cache.store("net", key, body.data(), body.size()).empty());
  CHECK(loads(cache, key, why));
}

void aFullDiskLeavesNothing() {
  const PlanCache cache(folder());
  std::string why;
  CHECK(cache.store("net", key, body.data(), body.size()).empty());
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string problem = cache.store("net", key, body.data(), body.size());
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(!problem.empty());
  CHECK(loads(cache, key, why));  // the one from before is untouched
  const std::string temporary = cache.path("net", key) + "." + std::to_string(getpid()) + ".tmp";
  CHECK(access(temporary.c_str(), F_OK) != 0);
}

void noFolder() {
  std::string why;
  CHECK(!PlanCache("").store("net", key, body.data(), body.size()).empty());
  CHECK(!PlanCache("").load("net", key, why) && why.empty());
  CHECK(!PlanCache("/dev/null/plans").store("net", key, body.data(), body.size()).empty());
}

}  // namespace

int main() {
  return runAll(digestsAsPublished, aPlanComesBack, anotherKeyIsAnotherPlan, damageIsSeen, aFullDiskLeavesNothing,
                noFolder);
}
