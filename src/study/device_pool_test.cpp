#include "study/device_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

namespace flatenn::study {
namespace {

TEST(DevicePool, GivesTheCpuToAll) {
  DevicePool pool("cpu");
  const auto one = pool.take(), two = pool.take();
  EXPECT_EQ(one.name() + two.name(), "cpucpu");
}

TEST(DevicePool, GivesTheFirstFreeGpu) {
  DevicePool pool("cuda:1-2");
  EXPECT_EQ(pool.take().name(), "cuda:1");
  const auto one = pool.take(), two = pool.take();
  EXPECT_EQ(one.name() + two.name(), "cuda:1cuda:2");
}

TEST(DevicePool, NeverGivesAGpuTwice) {
  DevicePool pool("cuda:0,2,5");
  std::map<std::string, std::atomic<int>> holders;
  for (const char* name : {"cuda:0", "cuda:2", "cuda:5"}) holders[name] = 0;
  std::atomic<int> most = 0;
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      const auto device = pool.take();
      const int now = ++holders.at(device.name());
      if (now > most) most = now;
      std::this_thread::yield();
      --holders.at(device.name());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

TEST(DevicePool, KeepsTheNameOfASingleGpu) {
  DevicePool pool("cuda");
  EXPECT_EQ(pool.take().name(), "cuda");
}

}  // namespace
}  // namespace flatenn::study
