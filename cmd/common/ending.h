// How a process ends that cannot go on: without memory, a thread or a descriptor that it needs, by
// a defect in whatever library, or because its time is up. At once, with an exit code and a
// sentence on standard error, and not by a signal: what is under way cannot be ended in order.
#pragma once

#include <chrono>

namespace dataflow::cmd {

// From now on, for what nobody catches and for abort(). `program` begins the sentence, `remedy` is
// what to do next; both are kept as they are, not copied.
void end_in_words(const char* program, const char* remedy, int exit_code);

// The same as soon as an allocation fails, before anybody can catch that. After end_in_words().
void end_where_memory_ends();

// When the time is over the process ends, whatever its threads are at, with this exit code;
// `text`, kept and not copied, is said where standard error takes it without waiting. Takes
// SIGALRM; a second call counts anew.
void end_after(std::chrono::milliseconds time, int exit_code, const char* text);

}  // namespace dataflow::cmd
