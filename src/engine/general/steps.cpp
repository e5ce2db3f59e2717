#include "engine/general/steps.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/arithmetic.h"

namespace flatenn::engine::general {
namespace {

using net::Activation;
using net::Layer;
using net::LayerKind;
using net::Network;

/// One layer at work; the same for all images of a chunk.
template <class Store>
class Step {
 public:
  using Code = typename Store::Code;
  /// Codes of a block of channels, in registers.
  using Block [[gnu::vector_size(kBlock * sizeof(Code))]] = Code;

  Step(const Kernels<Store>& kernels, const Network& network, const Layer& layer,
       const std::vector<Plane>& planes, const Operands<Store>& operands)
      : kernels_(kernels),
        network_(network),
        layer_(layer),
        planes_(planes),
        operands_(operands),
        src_(planes[static_cast<size_t>(layer.src)]),
        dst_(planes[static_cast<size_t>(layer.dst)]) {
    const Activation& a = to();
    if (!a.is_float) {
      low_ = static_cast<float>(std::max(a.min_code(), layer.low) - a.zero_point);
      high_ = static_cast<float>(std::min(a.max_code(), layer.high) - a.zero_point);
    }
    if (layer.relu) low_ = std::max(low_, 0.0F);
  }

  void run(int64_t images) {
    for (int64_t image = 0; image < images; ++image) {
      if (layer_.pools()) {
        pool(image);
      } else if (layer_.kind == LayerKind::kTable) {
        look_up(image);
      } else if (layer_.kind == LayerKind::kMove) {
        move(image);
      } else if (layer_.kind == LayerKind::kConcat) {
        concatenate(image);
      } else {
        combine(image);
      }
    }
  }

 private:
  const Activation& from() const { return network_.activations[static_cast<size_t>(layer_.src)]; }
  const Activation& to() const { return network_.activations[static_cast<size_t>(layer_.dst)]; }

  /// Rows and columns of the source that a window covers, padding left out.
  struct Span {
    int64_t first;
    int64_t last;  ///< Past it.
    int64_t step;
    int64_t count() const { return first < last ? (last - first + step - 1) / step : 0; }
  };
  static Span span(int64_t at, int64_t kernel, int64_t dilation, int64_t extent) {
    const int64_t skipped = at < 0 ? (-at + dilation - 1) / dilation : 0;
    return {at + skipped * dilation, std::min(extent, at + kernel * dilation), dilation};
  }

  void pool(int64_t image) {
    const net::Window& w = layer_.window;
    for (int64_t y = 0; y < dst_.shape.height; ++y) {
      const Span rows =
          span(y * w.stride_height - w.top, w.kernel_height, w.dilation_height, src_.shape.height);
      for (int64_t x = 0; x < dst_.shape.width; ++x) {
        const Span columns =
            span(x * w.stride_width - w.left, w.kernel_width, w.dilation_width, src_.shape.width);
        if (layer_.kind == LayerKind::kMaxPool) {
          take_largest(image, y, x, rows, columns);
        } else {
          take_mean(image, y, x, rows, columns);
        }
      }
    }
  }

  template <typename Body>
  void over(int64_t image, const Span& rows, const Span& columns, const Body& body) const {
    for (int64_t y = rows.first; y < rows.last; y += rows.step) {
      for (int64_t x = columns.first; x < columns.last; x += columns.step) {
        body(operands_.sources[0] + src_.pixel(image, y, x));
      }
    }
  }

  void take_largest(int64_t image, int64_t y, int64_t x, const Span& rows, const Span& columns) {
    Code* out = operands_.dst + dst_.pixel(image, y, x);
    const auto least = static_cast<Code>(from().min_code() - src_.base);
    const bool whole = src_.channels % kBlock == 0;
    const int64_t channels = whole ? src_.channels : src_.shape.channels;
    int64_t c = 0;
    for (; c + kBlock <= channels; c += kBlock) {
      Block largest = Block{} + least;
      over(image, rows, columns, [&](const Code* codes) {
        Block block;
        std::memcpy(&block, codes + c, sizeof block);
        largest = block > largest ? block : largest;
      });
      std::memcpy(out + c, &largest, sizeof largest);
    }
    if (c == channels) return;
    std::fill_n(out + c, channels - c, least);
    over(image, rows, columns,
         [&](const Code* codes) { keep_largest(out + c, codes + c, channels - c); });
  }

  /// Bytes may alias anything, what captures hold too: vectors come of restricted arguments alone.
  static void keep_largest(Code* __restrict out, const Code* __restrict codes, int64_t count) {
    for (int64_t c = 0; c < count; ++c) out[c] = std::max(out[c], codes[c]);
  }

  void take_mean(int64_t image, int64_t y, int64_t x, const Span& rows, const Span& columns) {
    const int64_t channels = src_.shape.channels;
    sums_.assign(static_cast<size_t>(channels), 0);
    over(image, rows, columns, [&](const Code* codes) {
      int32_t* sums = sums_.data();
      for (int64_t c = 0; c < channels; ++c) sums[c] += codes[c];
    });
    if (src_.least != 0) {
      const auto rest = static_cast<int32_t>(rows.count() * columns.count() * src_.least);
      for (int32_t& sum : sums_) sum += rest;
    }
    if (fixed_) return take_fixed_point_mean(image, y, x, rows.count() * columns.count());
    const int64_t count = layer_.count_padding ? 0 : rows.count() * columns.count();
    const float multiplier = net::pool_multiplier(network_, layer_, count);
    for (int64_t c = 0; c < channels; ++c) {
      write(image, y, x, c, static_cast<float>(sums_[static_cast<size_t>(c)]) * multiplier);
    }
  }

  /// With a factor, or the codes' own mean.
  void take_fixed_point_mean(int64_t image, int64_t y, int64_t x, int64_t count) {
    const int64_t all = layer_.window.kernel_height * layer_.window.kernel_width;
    const int64_t counted = layer_.count_padding ? all : count;
    const int zero = from().zero_point;
    for (int64_t c = 0; c < src_.shape.channels; ++c) {
      const int32_t sum = sums_[static_cast<size_t>(c)];
      write_whole(image, y, x, c,
                  layer_.factors.empty() ? net::rounded_mean(sum + counted * zero, counted) - zero
                                         : net::multiply(sum, layer_.factors[0]));
    }
  }

  void look_up(int64_t image) {
    const Activation& a = from();
    const auto levels = static_cast<size_t>(a.max_code() - a.min_code() + 1);
    const bool by_channel = layer_.table.size() > levels;
    const int first = src_.base - a.min_code();
    for_pixels([&](int64_t y, int64_t x) {
      const Code* codes = operands_.sources[0] + src_.pixel(image, y, x);
      Code* out = operands_.dst + dst_.pixel(image, y, x);
      const int16_t* table = layer_.table.data();
      for (int64_t c = 0; c < src_.shape.channels; ++c) {
        out[c] = static_cast<Code>(table[codes[c] + first] - dst_.base);
        if (by_channel) table += levels;
      }
    });
  }

  void move(int64_t image) {
    const Code* codes = operands_.sources[0];
    for (int64_t i = 0; i < std::ssize(layer_.order); ++i) {
      operands_.dst[dst_.place(image, i)] =
          codes[src_.place(image, layer_.order[static_cast<size_t>(i)])];
    }
  }

  void concatenate(int64_t image) {
    const std::vector<int64_t> inputs = layer_.inputs();
    for_pixels([&](int64_t y, int64_t x) {
      Code* out = operands_.dst + dst_.pixel(image, y, x);
      for (size_t i = 0; i < inputs.size(); ++i) {
        const Plane& plane = planes_[static_cast<size_t>(inputs[i])];
        out =
            std::copy_n(operands_.sources[i] + plane.pixel(image, y, x), plane.shape.channels, out);
      }
    });
  }

  /// Sums and products: whole rows where all planes have pixels alike.
  void combine(int64_t image) {
    const Plane& other = planes_[static_cast<size_t>(layer_.others.front())];
    const bool spread = other.shape != src_.shape;
    if (fixed_) return combine_fixed_point(image, other, spread);
    if (to().is_float) return combine_logits(image, other, spread);
    const Activation& a = from();
    const Activation& b = network_.activations[static_cast<size_t>(layer_.others.front())];
    CombineArgs<Store> args{.a_least = src_.least,
                            .b_least = other.least,
                            .dst_least = dst_.least,
                            .multiply = layer_.kind == LayerKind::kMul,
                            .a_scale = a.scale,
                            .b_scale = b.scale,
                            .scale = to().scale,
                            .low = low_,
                            .high = high_};
    const bool rows = !spread && src_.channels == dst_.channels && other.channels == dst_.channels;
    args.count = rows ? dst_.shape.width * dst_.channels : dst_.shape.channels;
    for (int64_t y = 0; y < dst_.shape.height; ++y) {
      for (int64_t x = 0; x < (rows ? 1 : dst_.shape.width); ++x) {
        args.a = operands_.sources[0] + src_.pixel(image, y, x);
        args.b =
            operands_.sources[1] + (spread ? other.pixel(image, 0, 0) : other.pixel(image, y, x));
        args.dst = operands_.dst + dst_.pixel(image, y, x);
        kernels_.combine(args);
      }
    }
  }

  void combine_fixed_point(int64_t image, const Plane& other, bool spread) {
    for_pixels([&](int64_t y, int64_t x) {
      const Code* a = operands_.sources[0] + src_.pixel(image, y, x);
      const Code* b =
          operands_.sources[1] + (spread ? other.pixel(image, 0, 0) : other.pixel(image, y, x));
      for (int64_t c = 0; c < dst_.shape.channels; ++c) {
        const int left = a[c] + src_.least;
        const int right = b[c] + other.least;
        write_whole(image, y, x, c,
                    layer_.kind == LayerKind::kAdd
                        ? fixed_point_sum(layer_, left, right)
                        : net::multiply(left * right, layer_.factors[0]));
      }
    });
  }

  void combine_logits(int64_t image, const Plane& other, bool spread) {
    const float a_scale = from().scale;
    const float b_scale = network_.activations[static_cast<size_t>(layer_.others.front())].scale;
    for_pixels([&](int64_t y, int64_t x) {
      const Code* a = operands_.sources[0] + src_.pixel(image, y, x);
      const Code* b =
          operands_.sources[1] + (spread ? other.pixel(image, 0, 0) : other.pixel(image, y, x));
      for (int64_t c = 0; c < dst_.shape.channels; ++c) {
        const float left = a_scale * static_cast<float>(a[c] + src_.least);
        const float right = b_scale * static_cast<float>(b[c] + other.least);
        write(image, y, x, c, layer_.kind == LayerKind::kMul ? left * right : left + right);
      }
    });
  }

  template <typename Body>
  void for_pixels(const Body& body) const {
    for (int64_t y = 0; y < dst_.shape.height; ++y) {
      for (int64_t x = 0; x < dst_.shape.width; ++x) body(y, x);
    }
  }

  /// Clamps and, but for logits, rounds.
  void write(int64_t image, int64_t y, int64_t x, int64_t channel, float value) {
    value = std::min(std::max(value, low_), high_);
    if (to().is_float) {
      const int64_t area = dst_.shape.height * dst_.shape.width;
      operands_.logits[image * dst_.shape.elements() + channel * area + y * dst_.shape.width + x] =
          value;
    } else {
      operands_.dst[dst_.pixel(image, y, x) + channel] =
          static_cast<Code>(static_cast<int>(std::nearbyint(value)) - dst_.least);
    }
  }

  /// The same of a whole number.
  void write_whole(int64_t image, int64_t y, int64_t x, int64_t channel, int32_t value) {
    const auto low = static_cast<int32_t>(low_);
    const auto high = static_cast<int32_t>(high_);
    operands_.dst[dst_.pixel(image, y, x) + channel] =
        static_cast<Code>(std::clamp(value, low, high) - dst_.least);
  }

  const Kernels<Store>& kernels_;
  const Network& network_;
  const Layer& layer_;
  const std::vector<Plane>& planes_;
  const Operands<Store>& operands_;
  const Plane& src_;
  const Plane& dst_;
  bool fixed_ = layer_.in_fixed_point();
  float low_ = -std::numeric_limits<float>::infinity();  ///< In words; of layers that round.
  float high_ = std::numeric_limits<float>::infinity();
  std::vector<int32_t> sums_;
};

}  // namespace

template <class Store>
void run_step(const Kernels<Store>& kernels, const Network& network, const Layer& layer,
              const std::vector<Plane>& planes, int64_t images, const Operands<Store>& operands) {
  Step<Store>(kernels, network, layer, planes, operands).run(images);
}

#define FLATENN_STEPS_OF(Store)                                                                \
  template void run_step(const Kernels<Store>& kernels, const Network& network,                \
                         const Layer& layer, const std::vector<Plane>& planes, int64_t images, \
                         const Operands<Store>& operands);
FLATENN_STEPS_OF(Words)
FLATENN_STEPS_OF(Bytes)
#undef FLATENN_STEPS_OF

}  // namespace flatenn::engine::general
