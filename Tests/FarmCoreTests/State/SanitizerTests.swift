import CFarm
import Foundation
import Testing

@testable import FarmCore

/// `make asan` must see what the functions of farm_table.h do: by them nearly all of shared memory is read and written, and
/// the importer compiles them with flags of its own.
@Suite struct SanitizerTests {
    static let isThere = dlsym(nil, "__asan_init") != nil

    @Test(.enabled(if: isThere, "this is a build without AddressSanitizer")) func readsAreLookedAt() async {
        await #expect(processExitsWith: .failure) {
            let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
            word.initialize(to: 7)
            _ = farm_get64(word + 2)
            word.deallocate()
        }
    }

    @Test(.enabled(if: isThere, "this is a build without AddressSanitizer")) func writesAreLookedAt() async {
        await #expect(processExitsWith: .failure) {
            let word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
            farm_set32(word + 4, 7)
            word.deallocate()
        }
    }

    /// The same accesses within an allocation are no failure, with the sanitizer and without.
    @Test func whatIsWithinIsNoFailure() async {
        await #expect(processExitsWith: .success) {
            let words = UnsafeMutablePointer<UInt64>.allocate(capacity: 3)
            words.initialize(repeating: 7, count: 3)
            _ = farm_get64(words + 2)
            farm_set64(words + 2, 8)
            words.deallocate()
        }
    }
}
