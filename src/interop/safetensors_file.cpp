#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/utf8.h"
#include "flatenn/interop/safetensors.h"

/// Reading and writing safetensors files: eight bytes that say how long the header is, the header
/// (JSON: type, shape and place of each tensor), and the tensors' bytes.
namespace flatenn::interop {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMostHeaderBytes = 100'000'000;  // the format's own limit
constexpr const char* kMetadata = "__metadata__";

bool starts_with(const std::string& bytes, std::string_view start) {
  return std::string_view(bytes).starts_with(start);
}

/// The command that makes safetensors of a file in another format; empty for all others.
std::string conversion(const std::string& bytes, const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  const bool zip = starts_with(bytes, "PK\x03\x04");
  const std::string to = path.stem().string() + ".safetensors";
  if (starts_with(bytes, "\x89HDF") || (zip && extension == ".keras")) {
    return "is a Keras model; convert it: python3 -c \"import keras; from safetensors.numpy import "
           "save_file; save_file({w.path: w.numpy() for w in keras.models.load_model('" +
           path.string() + "').weights}, '" + to + "')\"";
  }
  if (zip || starts_with(bytes, "\x80\x02") || starts_with(bytes, "\x80\x04")) {
    return "is a pickle, which can run code when it is read; convert it: python3 -c \"import "
           "torch; "
           "from safetensors.torch import save_file; d = torch.load('" +
           path.string() +
           "', map_location='cpu', weights_only=True); save_file({k: v.contiguous().clone() for k, "
           "v in d.get('state_dict', d).items()}, '" +
           to + "')\"";
  }
  return "";
}

/// The header's JSON; names used twice in one object are errors.
json parse_header(std::string_view text) {
  std::vector<std::set<std::string>> names;
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    const auto level = static_cast<size_t>(depth);
    if (event == json::parse_event_t::object_start) {
      names.resize(level + 1);
      names[level].clear();
    } else if (event == json::parse_event_t::key) {
      const std::string name = value.get<std::string>();
      if (!names.at(level - 1).insert(name).second && twice.empty()) twice = name;
    }
    return true;
  };
  json header = json::parse(text, watch, /*allow_exceptions=*/false);
  FLATENN_CHECK(header.is_object(), "its header is no JSON object");
  FLATENN_CHECK(twice.empty(), "its header names \"", twice, "\" twice");
  return header;
}

struct Place {
  uint64_t begin = 0;
  uint64_t end = 0;
};

std::optional<uint64_t> natural(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

Place place_of(const json& entry, const std::string& name, uint64_t size) {
  const auto offsets = entry.find("data_offsets");
  FLATENN_CHECK(offsets != entry.end() && offsets->is_array() && offsets->size() == 2, "tensor ",
                name, ": expected data_offsets [begin, end]");
  const auto begin = natural((*offsets)[0]);
  const auto end = natural((*offsets)[1]);
  FLATENN_CHECK(begin && end && *begin <= *end, "tensor ", name, ": data_offsets ", offsets->dump(),
                " are no range");
  FLATENN_CHECK(*end <= size, "tensor ", name, ": ends at byte ", *end, " of ", size);
  return {*begin, *end};
}

TensorType type_of(const json& entry, const std::string& name) {
  const auto type = entry.find("dtype");
  FLATENN_CHECK(type != entry.end() && type->is_string(), "tensor ", name, ": expected a dtype");
  for (int i = 0; i <= static_cast<int>(TensorType::kF64); ++i) {
    if (*type == type_name(static_cast<TensorType>(i))) return static_cast<TensorType>(i);
  }
  throw Error(detail::concat("tensor ", name, ": dtype ", type->dump(), " is not supported"));
}

std::vector<int64_t> shape_of(const json& entry, const StoredTensor& tensor, uint64_t bytes) {
  const auto extents = entry.find("shape");
  FLATENN_CHECK(extents != entry.end() && extents->is_array() && extents->size() <= 16, "tensor ",
                tensor.name, ": expected a shape of at most 16 extents");
  std::vector<int64_t> shape;
  uint64_t expected = static_cast<uint64_t>(type_bytes(tensor.type));
  constexpr uint64_t kMost = uint64_t{1} << 40;
  for (const json& extent : *extents) {
    const auto value = natural(extent);
    FLATENN_CHECK(value && *value <= kMost && (*value == 0 || expected <= kMost / *value),
                  "tensor ", tensor.name, ": extent ", extent.dump(), " makes no sense");
    expected *= *value;
    shape.push_back(static_cast<int64_t>(*value));
  }
  FLATENN_CHECK(expected == bytes, "tensor ", tensor.name, ": ", type_name(tensor.type), " ",
                extents->dump(), " takes ", expected, " bytes, data_offsets give ", bytes);
  return shape;
}

void read_metadata(const json& entries, TensorFile& file) {
  FLATENN_CHECK(entries.is_object(), kMetadata, " is no object");
  for (const auto& [key, value] : entries.items()) {
    FLATENN_CHECK(value.is_string(), kMetadata, ": \"", key, "\" is no text");
    file.metadata[key] = value.get<std::string>();
  }
}

/// All bytes belong to one tensor each.
void check_places(std::vector<std::pair<Place, std::string>> places, uint64_t size) {
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.begin, a.first.end) < std::pair(b.first.begin, b.first.end);
  });
  uint64_t at = 0;
  for (const auto& [place, name] : places) {
    FLATENN_CHECK(place.begin >= at, "tensor ", name, ": overlaps another one at byte ",
                  place.begin);
    FLATENN_CHECK(place.begin == at, "tensor ", name, ": bytes ", at, " to ", place.begin,
                  " before it belong to no tensor");
    at = place.end;
  }
  FLATENN_CHECK(at == size, size - at, " bytes behind the last tensor");
}

TensorFile parse(const std::string& bytes) {
  FLATENN_CHECK(bytes.size() >= kLengthBytes, "is no safetensors file, or only a part of one");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  FLATENN_CHECK(length <= kMostHeaderBytes && length <= bytes.size() - kLengthBytes,
                "is no safetensors file, or only a part of one: its header would be ", length,
                " bytes long");
  const std::string_view all(bytes);
  const json header = parse_header(all.substr(kLengthBytes, length));
  const std::string_view data = all.substr(kLengthBytes + length);
  TensorFile file;
  std::vector<std::pair<Place, std::string>> places;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) {
      read_metadata(entry, file);
      continue;
    }
    FLATENN_CHECK(entry.is_object(), "tensor ", name, ": is no object");
    StoredTensor tensor{.name = name, .type = type_of(entry, name)};
    const Place place = place_of(entry, name, data.size());
    tensor.shape = shape_of(entry, tensor, place.end - place.begin);
    places.emplace_back(place, name);
    file.tensors.push_back(std::move(tensor));
  }
  check_places(places, data.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i].first;
    file.tensors[i].bytes = data.substr(place.begin, place.end - place.begin);
  }
  return file;
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  try {
    const std::string other = conversion(bytes, path);
    FLATENN_CHECK(other.empty(), other);
    return parse(bytes);
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
}

void write_safetensors(const TensorFile& file, const std::filesystem::path& path) {
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& tensor : file.tensors) order.push_back(&tensor);
  // Wide types first, so that every tensor is aligned.
  std::sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return std::pair(-type_bytes(a->type), a->name) < std::pair(-type_bytes(b->type), b->name);
  });
  json header = json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::string data;
  for (const StoredTensor* tensor : order) {
    FLATENN_CHECK(is_utf8(tensor->name) && tensor->name != kMetadata, path.string(),
                  ": a tensor cannot be called \"", tensor->name, "\"");
    FLATENN_CHECK(!header.contains(tensor->name), path.string(), ": two tensors are called \"",
                  tensor->name, "\"");
    FLATENN_CHECK(
        tensor->elements() * type_bytes(tensor->type) == static_cast<int64_t>(tensor->bytes.size()),
        path.string(), ": tensor ", tensor->name, " does not fit its shape");
    const size_t begin = data.size();
    data += tensor->bytes;
    header[tensor->name] = {{"dtype", type_name(tensor->type)},
                            {"shape", tensor->shape},
                            {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), kLengthBytes);
  bytes += text;
  bytes += data;
  write_file_atomically(path, bytes);
}

}  // namespace flatenn::interop
