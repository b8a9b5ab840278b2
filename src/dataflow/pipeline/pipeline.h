// Pipeline: loads sources into a store: list, fetch, split, parse, compare, write, remember.
//
// Every object is read by a coroutine of its own that cuts it into blocks; every block is parsed,
// compared, written and remembered by a coroutine of its own. What is in flight is bounded by
// options, not by the input. One Pipeline is one run. run() is started on the executor that the
// stages use: as many threads as there may be blocks parsed at the same time. stop() may be called
// from any thread.
//
// pipeline.cc is long because it is one order: which pass over the listing comes when, what an
// object's end needs, and what is asked at the end of a run.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/fetch.h"
#include "dataflow/pipeline/budget.h"
#include "dataflow/pipeline/catalogue.h"
#include "dataflow/pipeline/claims.h"
#include "dataflow/pipeline/guarded_cache.h"
#include "dataflow/pipeline/listing.h"
#include "dataflow/pipeline/object_state.h"
#include "dataflow/pipeline/options.h"
#include "dataflow/pipeline/parser.h"
#include "dataflow/pipeline/progress.h"
#include "dataflow/pipeline/rejects.h"
#include "dataflow/pipeline/row_stage.h"
#include "dataflow/pipeline/splitter.h"
#include "dataflow/pipeline/stop_source.h"
#include "dataflow/pipeline/task_group.h"
#include "dataflow/product_service.h"

namespace dataflow::pipeline {

class Pipeline {
 public:
  // What the run works with; everything outlives it. `cache` may be null (-no-cache).
  struct Parts {
    std::vector<Source> sources;
    ProductService* store = nullptr;
    Cache* cache = nullptr;
    Claims::MakeSpill make_spill;
    Warn warn;  // called from any thread
  };

  Pipeline(Options options, Parts parts, boost::asio::any_io_executor executor);
  ~Pipeline();

  // Runs to the end. An error is one that kept the run from starting (a source that cannot be
  // listed, a store that does not say what it is); what happened later is in the summary.
  Task<Result<Summary>> run();

  // Stops reading; what is in flight is written and remembered. Stop::kInterrupted for a signal.
  void stop(Stop reason) { stop_.stop(reason); }

  const Progress& progress() const { return progress_; }

  // What the run has done so far, for whoever cannot wait for the end of run(); from any thread,
  // while the Pipeline lives. The first call, run()'s own if there was none before, names the
  // rejects; no line is kept after it, and it is what all later calls return. Where naming them
  // takes the first one long, others are told what there is and that the rejects are not whole.
  Summary summary();

 private:
  static constexpr std::uint64_t kMaxAttempts = 3;  // at an object that changes while it is read

  enum class Ending { kWhole, kChanged, kGivenUp };

  // Of the objects that are listed.
  enum class Which { kAll, kSkipped, kWanted };

  Task<void> read_listing(Which which);
  Task<void> read_page(std::vector<ListedObject> page, std::uint64_t& index, Which which);
  Task<void> read_skipped();
  void listing_failed(Error error, Which which);
  void take_back(ObjectState& object);
  void begin_again(ObjectState& object);
  Task<void> read_object(std::shared_ptr<ObjectState> object, Budget::Lease place);
  Task<Ending> read_attempt(std::shared_ptr<ObjectState> object);
  Task<Ending> read_blocks(std::shared_ptr<ObjectState> object, std::shared_ptr<Splitter> splitter,
                           TaskGroup& blocks);
  Task<void> take_block(std::shared_ptr<ObjectState> object, Block block, Budget::Lease lease);
  bool take_long_line(ObjectState& object, const LongLinePiece& piece);
  bool reject(const ObjectState& object, const RejectedLine& line);
  void count_rejected(ObjectState& object, std::uint64_t lines);
  Task<void> make_records();
  Task<Result<void>> learn_table();
  Task<void> check_table();
  void check_abandoned();
  void source_failed(const ObjectState& object, Error error);
  void run_failed(Error error);
  bool all_is_stored();
  Summary without_rejects();

  std::unique_ptr<Parser> borrow_parser();
  void return_parser(std::unique_ptr<Parser> parser);

  const Options options_;
  Parts parts_;
  boost::asio::any_io_executor executor_;
  Progress progress_;
  StopSource stop_;
  GuardedCache cache_;
  Catalogue catalogue_;
  Claims claims_;
  Rejects rejects_;
  RowStage rows_;
  Budget objects_;
  Budget buffers_;
  TaskGroup readers_;
  std::unordered_set<ObjectId> wanted_;  // of the skipped objects, by the pass under way
  std::string incarnation_;              // of the table when the run began; empty: not known

  std::timed_mutex summary_mutex_;
  std::optional<Summary> summary_;

  std::mutex mutex_;  // of what follows
  std::vector<Error> errors_;
  std::vector<std::unique_ptr<Parser>> parsers_;
  std::vector<std::shared_ptr<ObjectState>> waiting_for_deferred_;
  struct Abandoned {
    std::string name;
    std::uint64_t index;
    std::uint64_t attempt;
  };
  std::vector<Abandoned> abandoned_;                            // attempts that were begun anew
  std::vector<std::shared_ptr<ObjectState>> to_be_read_again_;  // see ObjectState::left_out
};

}  // namespace dataflow::pipeline
