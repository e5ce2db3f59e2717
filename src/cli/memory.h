#pragma once

namespace flatenn::cli {

/// Lets the first memory of the program come in large pages (2 MiB on x86-64) where the kernel
/// gives them on demand. A fresh page of 4 KiB costs a fault, some 10 us on virtual machines that
/// have to ask their host, and a short campaign takes thousands. Call it before anything large is
/// allocated; where the C library or the kernel has no such thing, nothing changes.
void use_large_pages();

}  // namespace flatenn::cli
