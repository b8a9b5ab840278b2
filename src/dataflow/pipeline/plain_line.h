// The plain line: the fast way through lines as most are.
//
// A plain line is one JSON object that has an id and a title, whose keys and numbers are written
// without escapes and exponents, whose fields have the types they should have and whose unknown
// fields are strings, numbers, booleans or null. Every other line, good or bad, is left to the
// general parser, which alone says why a line is no product. What is taken here is taken there with
// the same values (plain_line_test.cc compares the two).
//
// One pass over the line, 16 bytes at a time; strings without escapes are not copied.
#pragma once

#include "dataflow/pipeline/arena.h"
#include "dataflow/pipeline/fields.h"

namespace dataflow::pipeline {

// Reads the line that begins at `line` into `fields`, which are empty, and returns its end: its
// newline or `end`, the end of the text. Null where it is not plain. The text is valid UTF-8 and
// has kBlockPadding zeros behind it. Strings are views of the line, or in the arena where they have
// escapes.
const char* read_plain_line(const char* line, const char* end, Arena& arena, Fields& fields);

}  // namespace dataflow::pipeline
