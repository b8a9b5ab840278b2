#include "dataflow/pipeline/progress.h"

namespace dataflow::pipeline {

Counts& Counts::operator+=(const Counts& other) {
  lines += other.lines;
  added += other.added;
  changed += other.changed;
  unchanged += other.unchanged;
  superseded += other.superseded;
  rejected += other.rejected;
  written += other.written;
  bytes += other.bytes;
  return *this;
}

Counts& Counts::operator-=(const Counts& other) {
  lines -= other.lines;
  added -= other.added;
  changed -= other.changed;
  unchanged -= other.unchanged;
  superseded -= other.superseded;
  rejected -= other.rejected;
  written -= other.written;
  bytes -= other.bytes;
  return *this;
}

void Progress::add(const Counts& counts) {
  lines_ += counts.lines;
  added_ += counts.added;
  changed_ += counts.changed;
  unchanged_ += counts.unchanged;
  superseded_ += counts.superseded;
  rejected_ += counts.rejected;
  written_ += counts.written;
  bytes_ += counts.bytes;
}

void Progress::subtract(const Counts& counts) {
  lines_ -= counts.lines;
  added_ -= counts.added;
  changed_ -= counts.changed;
  unchanged_ -= counts.unchanged;
  superseded_ -= counts.superseded;
  rejected_ -= counts.rejected;
  written_ -= counts.written;
  bytes_ -= counts.bytes;
}

Counts Progress::counts() const {
  return {lines_, added_, changed_, unchanged_, superseded_, rejected_, written_, bytes_};
}

}  // namespace dataflow::pipeline
