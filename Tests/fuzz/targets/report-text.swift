import FuzzSupport

// Endpoint-Load-Metrics: TEXT name=value, name=value

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    FuzzReport.send("TEXT ", UnsafeBufferPointer(start: data, count: size))
    return 0
}
