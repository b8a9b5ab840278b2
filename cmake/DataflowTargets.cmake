# What every target of the project shares, and the functions that make one.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckCXXCompilerFlag)
# Without this policy's check the linker's default decides whether a program is position independent.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness that it wants for precompiled headers; it is right about all that this project does.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)

add_library(dataflow_flags INTERFACE)
target_compile_options(dataflow_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
if(DATAFLOW_WERROR)
  target_compile_options(dataflow_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside coroutine frames and standard headers where there is nothing to mend.
  target_compile_options(dataflow_flags INTERFACE
    -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-restrict
    -Wno-mismatched-new-delete -Wno-tsan)
else()
  # libstdc++ 12's algorithms call what it has marked as deprecated itself.
  target_compile_options(dataflow_flags INTERFACE -Wno-deprecated-declarations)
endif()
target_compile_definitions(dataflow_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(dataflow_flags INTERFACE Threads::Threads)
if(DATAFLOW_SANITIZE)
  target_compile_options(dataflow_flags INTERFACE
    -fsanitize=${DATAFLOW_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(dataflow_flags INTERFACE -fsanitize=${DATAFLOW_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  # tests/tls/hardening.py looks for each of these in what was built. The Rust side has its own: position independent,
  # stack probes, checked indices.
  target_compile_options(dataflow_flags INTERFACE
    -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
  check_cxx_compiler_flag(-fcf-protection=full DATAFLOW_HAS_CF_PROTECTION)
  if(DATAFLOW_HAS_CF_PROTECTION)
    target_compile_options(dataflow_flags INTERFACE -fcf-protection=full)
  endif()
  target_link_options(dataflow_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(MOLD_PROGRAM)
  target_link_options(dataflow_flags INTERFACE -fuse-ld=mold)
endif()

# dataflow_library(NAME SOURCES a.cc... [LINKS target...] [PRIVATE_LINKS target...])
# The library of one folder. LINKS are what its headers need, PRIVATE_LINKS what only its sources need.
function(dataflow_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PUBLIC dataflow_flags ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

# What is measured is elsewhere: tests are built to be built quickly.
set(DATAFLOW_TEST_OPTIONS -O0 -g0)

# What nearly every test includes is parsed once: it is most of what compiling them takes. Still each file includes what
# it uses: presets of clang (tsan) do without.
function(dataflow_test_headers)
  if(TARGET dataflow_test_headers OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "// Empty: see cmake/DataflowTargets.cmake.")
  add_library(dataflow_test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cc)
  target_link_libraries(dataflow_test_headers PRIVATE dataflow_flags GTest::gtest GTest::gmock)
  target_include_directories(dataflow_test_headers PRIVATE ${PROJECT_SOURCE_DIR}/src)
  # As what they are for, which are programs.
  set_target_properties(dataflow_test_headers PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(dataflow_test_headers PRIVATE -fPIE ${DATAFLOW_TEST_OPTIONS})
  target_precompile_headers(dataflow_test_headers PRIVATE
    <gmock/gmock.h> <gtest/gtest.h> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/detached.hpp>
    <boost/asio/io_context.hpp> <boost/asio/post.hpp> <boost/asio/thread_pool.hpp> <boost/asio/use_awaitable.hpp>
    <boost/asio/use_future.hpp> <algorithm> <chrono> <filesystem> <fstream> <functional> <future> <map> <memory> <mutex>
    <optional> <string> <thread> <vector>)
endfunction()

# dataflow_test(NAME SOURCES x_test.cc... LINKS target... [LIVE])
# One GoogleTest program; ctest label "unit", or "live" where it needs a real server (scripts/servers.sh
# gives it one and tells it where through the environment).
function(dataflow_test name)
  if(NOT DATAFLOW_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "LIVE" "" "SOURCES;LINKS" ${ARGN})
  include(GoogleTest)
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE dataflow_flags ${ARG_LINKS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${DATAFLOW_TEST_OPTIONS})
  dataflow_test_headers()
  if(TARGET dataflow_test_headers)
    target_precompile_headers(${name} REUSE_FROM dataflow_test_headers)
  endif()
  set(label unit)
  if(ARG_LIVE)
    set(label live)
  endif()
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${label} TIMEOUT 120)
endfunction()
