import FarmCore
extension StatusSnapshot {
    func writePage(_ out: inout ByteWriter, _ controls: StatusControls) {}
    func writeSection(_ out: inout ByteWriter) {}
}
