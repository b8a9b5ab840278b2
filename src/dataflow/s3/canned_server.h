// For tests: an HTTP server on loopback that answers every request as the test says, also with half
// an answer or none, and small answers as S3 gives them.
//
// Each connection has a thread; the destructor ends them all.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

namespace dataflow::s3::testing_support {

struct Request {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  int number = 0;                              // 1 for the server's first request
};

struct Answer {
  enum class End {
    kKeep,   // the connection stays open
    kClose,  // it is closed after the bytes
    kStall,  // nothing comes after the bytes, until the client goes
  };
  std::string bytes;
  End end = End::kKeep;
};

inline Answer answer(int status, const std::string& headers, const std::string& body) {
  return {"HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body};
}

inline Answer error_answer(int status, const std::string& code) {
  return answer(status, "Content-Type: application/xml\r\n",
                "<?xml version=\"1.0\"?><Error><Code>" + code +
                    "</Code><Message>the server's words</Message></Error>");
}

// One range of `content`, or its head; 412 where If-Match names another ETag.
inline Answer object_answer(const Request& request, const std::string& content,
                            const std::string& etag) {
  const auto wanted = request.headers.find("if-match");
  if (wanted != request.headers.end() && wanted->second != etag) {
    return error_answer(412, "PreconditionFailed");
  }
  const std::string common = etag.empty() ? "" : "ETag: " + etag + "\r\n";
  if (request.method == "HEAD") {
    return {"HTTP/1.1 200 x\r\nContent-Length: " + std::to_string(content.size()) + "\r\n" +
            common + "\r\n"};
  }
  std::size_t first = 0;
  std::size_t last = 0;
  char skip = 0;
  std::istringstream range(request.headers.at("range").substr(6));
  range >> first >> skip >> last;
  if (first >= content.size()) return error_answer(416, "InvalidRange");
  last = std::min(last, content.size() - 1);
  return answer(206,
                common + "Content-Range: bytes " + std::to_string(first) + "-" +
                    std::to_string(last) + "/" + std::to_string(content.size()) + "\r\n",
                content.substr(first, last - first + 1));
}

class CannedServer {
 public:
  using Handler = std::function<Answer(const Request&)>;

  explicit CannedServer(Handler handler)
      : handler_(std::move(handler)),
        acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}),
        accepting_([this] { accept(); }) {}

  ~CannedServer() {
    stopped_ = true;
    // Wakes the accepting thread, which close() would not.
    boost::system::error_code ignored;
    boost::asio::ip::tcp::socket last(io_);
    last.connect(acceptor_.local_endpoint(), ignored);
    accepting_.join();
    {
      const std::scoped_lock lock(mutex_);
      for (auto& socket : sockets_) socket.shutdown(socket.shutdown_both, ignored);
    }
    for (auto& thread : threads_) thread.join();
  }

  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  int requests() const { return requests_; }

 private:
  using Socket = boost::asio::ip::tcp::socket;

  void accept() {
    while (true) {
      boost::system::error_code error;
      Socket socket = acceptor_.accept(error);
      if (stopped_ || error) return;
      const std::scoped_lock lock(mutex_);
      sockets_.push_back(std::move(socket));
      threads_.emplace_back([this, &mine = sockets_.back()] { serve(mine); });
    }
  }

  void serve(Socket& socket) {
    std::string data;
    boost::system::error_code error;
    while (true) {
      const auto end =
          boost::asio::read_until(socket, boost::asio::dynamic_buffer(data), "\r\n\r\n", error);
      if (error) return;
      const Request request = parse(data.substr(0, end));
      data.erase(0, end);
      const Answer reply = handler_(request);
      boost::asio::write(socket, boost::asio::buffer(reply.bytes), error);
      if (reply.end == Answer::End::kKeep) continue;
      if (reply.end == Answer::End::kStall) {
        boost::asio::read_until(socket, boost::asio::dynamic_buffer(data), "never", error);
      }
      socket.shutdown(socket.shutdown_both, error);
      return;
    }
  }

  Request parse(const std::string& head) {
    Request request;
    std::istringstream lines(head);
    lines >> request.method >> request.target;
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line) && line.size() > 1) {
      const auto colon = line.find(": ");
      std::string name = line.substr(0, colon);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      request.headers[name] = line.substr(colon + 2, line.size() - colon - 3);
    }
    request.number = ++requests_;
    return request;
  }

  Handler handler_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stopped_ = false;
  std::atomic<int> requests_ = 0;
  std::mutex mutex_;
  std::list<Socket> sockets_;
  std::list<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace dataflow::s3::testing_support
