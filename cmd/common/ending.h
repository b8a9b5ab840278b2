// How a process ends that cannot go on: without memory, a thread or a descriptor that it needs, or
// by a defect in whatever library. At once, with an exit code and a sentence on standard error, and
// not by a signal: what is under way cannot be ended in order.
#pragma once

namespace dataflow::cmd {

// From now on, for what nobody catches and for abort(). `program` begins the sentence, `remedy` is
// what to do next; both are kept as they are, not copied.
void end_in_words(const char* program, const char* remedy, int exit_code);

// The same as soon as an allocation fails, before anybody can catch that. After end_in_words().
void end_where_memory_ends();

}  // namespace dataflow::cmd
