import FuzzSupport

// Endpoint-Load-Metrics: JSON {"name": value, "named_metrics": {"name": value}}

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    FuzzReport.send("JSON ", UnsafeBufferPointer(start: data, count: size))
    return 0
}
