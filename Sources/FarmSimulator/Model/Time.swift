/// Simulated time: microseconds since the start, as FarmCore counts them.
public typealias Time = UInt64

public func seconds(_ count: Double) -> Time { Time(count * 1_000_000) }
public func milliseconds(_ count: Double) -> Time { Time(count * 1_000) }
