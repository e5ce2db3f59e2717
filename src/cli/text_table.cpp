#include "cli/text_table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "flatenn/base/printable.h"

namespace flatenn::cli {
namespace {

/// Characters, not bytes.
size_t length_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(const std::string& text, size_t width, bool right) {
  const size_t length = length_of(text);
  const std::string room(width > length ? width - length : 0, ' ');
  return right ? room + text : text + room;
}

/// Without the spaces at its end.
std::string line_of(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string stacked(const std::vector<TextColumn>& columns,
                    const std::vector<std::vector<std::string>>& rows, int64_t width) {
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].rank == 0)
        text += wrapped((i > 0 ? "  " : "") + columns[i].title + ": " + row[i], width, 4) + "\n";
    }
  }
  return text;
}

}  // namespace

std::string text_table(const std::vector<TextColumn>& columns,
                       const std::vector<std::vector<std::string>>& texts, int64_t width) {
  std::vector<std::vector<std::string>> rows = texts;
  for (auto& row : rows) std::transform(row.begin(), row.end(), row.begin(), printable);
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns.size(); ++i) {
    widths.push_back(std::max(columns[i].least_width, length_of(columns[i].title)));
    for (const auto& row : rows) widths[i] = std::max(widths[i], length_of(row[i]));
  }
  std::vector<bool> shown(columns.size(), true);
  const auto total = [&] {
    size_t sum = 0;
    for (size_t i = 0; i < columns.size(); ++i) sum += shown[i] ? widths[i] + 2 : 0;
    return static_cast<int64_t>(sum) - 2;
  };
  while (width > 0 && total() > width) {
    size_t last = columns.size();
    for (size_t i = 0; i < columns.size(); ++i) {
      const bool later = last == columns.size() || columns[i].rank > columns[last].rank;
      if (shown[i] && columns[i].rank > 0 && later) last = i;
    }
    if (last == columns.size()) return stacked(columns, rows, width);
    shown[last] = false;
  }
  const auto line = [&](auto text_of) {
    std::string out;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!shown[i]) continue;
      out += (out.empty() ? "" : "  ") + padded(text_of(i), widths[i], columns[i].right);
    }
    return line_of(out);
  };
  std::string text = line([&](size_t i) { return columns[i].title; });
  for (const auto& row : rows) text += line([&](size_t i) { return row[i]; });
  return text;
}

void print_text_table(const std::vector<TextColumn>& columns,
                      const std::vector<std::vector<std::string>>& rows) {
  std::fputs(text_table(columns, rows, output_columns()).c_str(), stdout);
}

std::string wrapped(const std::string& text, int64_t columns, size_t indent) {
  if (columns <= 0) return text;
  const size_t width = static_cast<size_t>(columns);
  const size_t margin = std::min(indent, width / 2);
  std::string out;
  size_t length = 0, at = 0;
  bool begun = false;  // whether the line has a word
  while (at < text.size()) {
    // A word with the spaces (or the line's end) before it.
    const size_t word = std::min(text.find_first_not_of(' ', at), text.size());
    const size_t end = std::min(text.find_first_of(" \n", word), text.size());
    const size_t taken = length_of(text.substr(at, end - at));
    if (word < text.size() && text[word] == '\n') {
      out += '\n';
      length = 0;
      at = word + 1;
      begun = false;
    } else if (begun && length + taken > width && word > at) {
      out += "\n" + std::string(margin, ' ') + text.substr(word, end - word);
      length = margin + length_of(text.substr(word, end - word));
      at = end;
    } else {
      out += text.substr(at, end - at);
      length += taken;
      at = end;
      begun = true;
    }
  }
  return out;
}

void print_wrapped(const std::string& text, size_t indent) {
  std::fputs((wrapped(text, output_columns(), indent) + "\n").c_str(), stdout);
}

int64_t output_columns() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1) return 0;
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace flatenn::cli
