// RILL_TEST_SANITIZED is defined where a sanitizer has replaced the allocator, and counts nothing that glibc counts.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RILL_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define RILL_TEST_SANITIZED 1
#endif
#endif
