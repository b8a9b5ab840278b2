#include "dataflow/rocksdb/secondary_product_service.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "dataflow/rocksdb/folder.h"
#include "dataflow/rocksdb/read_products.h"
#include "dataflow/rocksdb/secondary_view.h"

namespace dataflow::rocksdb {
namespace {

// The writer may put rows into tables between the opening of a view and its first look.
constexpr int kOpenAttempts = 20;

std::unexpected<Error> read_only(const std::string& path) {
  return fail(ErrorCode::kUnauthorized,
              "the embedded database " + path + " is open for reading only");
}

}  // namespace

// The thread that keeps the view fresh, and those who wait for it.
class SecondaryProductService::Follower {
 public:
  using View = std::shared_ptr<SecondaryView>;
  using Clock = std::chrono::steady_clock;

  explicit Follower(SecondaryOptions options)
      : options_(std::move(options)),
        path_(absolute_path(options_.path)),
        thread_([this](const std::stop_token& stop) { follow(stop); }) {}

  const std::string& path() const { return path_; }

  // The view, renewed before if it is too old.
  static Task<Result<View>> fresh(Follower& self) {
    if (auto view = self.fresh_enough()) co_return std::move(*view);
    co_await async_value<bool>([&self](auto done) { self.wait(std::move(done)); });
    const std::lock_guard lock(self.mutex_);
    co_return self.view_;
  }

 private:
  std::optional<Result<View>> fresh_enough() {
    const std::lock_guard lock(mutex_);
    const auto age = Clock::now() - renewed_;
    if (age > options_.refresh_after) {
      wanted_ = true;
      changed_.notify_one();
    }
    if (!ever_renewed_ || age > options_.wait_after) return std::nullopt;
    return view_;
  }

  void wait(std::move_only_function<void(bool)> done) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(done));
    wanted_ = true;
    changed_.notify_one();
  }

  void follow(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      changed_.wait_for(lock, stop, options_.refresh_when_idle, [this] { return wanted_; });
      // Whoever came before the renewal began is served by it; who comes later waits for the next.
      wanted_ = false;
      auto waiting = std::exchange(waiting_, {});
      const View before = view_ ? *view_ : nullptr;
      const auto begun = Clock::now();
      lock.unlock();
      Result<View> renewed = renew(before, stop);
      lock.lock();
      std::swap(view_, renewed);
      renewed_ = begun;
      ever_renewed_ = true;
      lock.unlock();
      for (auto& done : waiting) done(true);
      renewed = View();  // closes a view that was replaced, without the lock
      lock.lock();
    }
  }

  // Those who read from `view` go on meanwhile, until it is too old.
  Result<View> renew(View view, const std::stop_token& stop) const {
    if (view && is_current(*view, stop)) return view;
    for (int attempt = 1;; ++attempt) {
      auto opened = SecondaryView::open(path_, options_.block_cache_bytes);
      if (!opened || is_current(**opened, stop) || stop.stop_requested()) return opened;
      if (attempt == kOpenAttempts) {
        return fail(
            ErrorCode::kUnavailable,
            "the embedded database " + path_ + " changes faster than it can be opened; try again");
      }
    }
  }

  static bool is_current(SecondaryView& view, const std::stop_token& stop) {
    auto state = SecondaryView::State::kBehind;
    while (state == SecondaryView::State::kBehind && !stop.stop_requested()) {
      state = view.catch_up();
    }
    return state == SecondaryView::State::kCurrent;
  }

  const SecondaryOptions options_;
  const std::string path_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = false;
  bool ever_renewed_ = false;
  Clock::time_point renewed_{};  // when the last renewal began
  Result<View> view_ = View();
  std::vector<std::move_only_function<void(bool)>> waiting_;
  std::jthread thread_;  // the last member: it uses the others
};

SecondaryProductService::SecondaryProductService(SecondaryOptions options)
    : follower_(std::make_unique<Follower>(std::move(options))) {}

SecondaryProductService::~SecondaryProductService() = default;

Task<Result<Product>> SecondaryProductService::find(ProductId id) {
  const auto view = co_await Follower::fresh(*follower_);
  if (!view) co_return std::unexpected(view.error());
  co_return read_product((*view)->db(), (*view)->products(), follower_->path(), id);
}

Task<Result<std::vector<std::optional<Product>>>> SecondaryProductService::find_many(
    std::span<const ProductId> ids) {
  const auto view = co_await Follower::fresh(*follower_);
  if (!view) co_return std::unexpected(view.error());
  co_return read_products((*view)->db(), (*view)->products(), follower_->path(), ids);
}

Task<Result<std::string>> SecondaryProductService::incarnation() {
  const auto view = co_await Follower::fresh(*follower_);
  if (!view) co_return std::unexpected(view.error());
  co_return (*view)->incarnation();
}

Task<Result<void>> SecondaryProductService::save_many(std::span<const ProductView>, WriteTime,
                                                      std::span<bool>) {
  co_return read_only(follower_->path());
}

Task<Result<std::string>> SecondaryProductService::trust_cache(std::string_view) {
  co_return read_only(follower_->path());
}

Task<Result<std::string>> SecondaryProductService::disown_caches() {
  co_return read_only(follower_->path());
}

Task<Result<std::uint64_t>> SecondaryProductService::writer_number() {
  co_return read_only(follower_->path());
}

Task<Result<void>> SecondaryProductService::flush() { co_return Result<void>{}; }

}  // namespace dataflow::rocksdb
