/// What somebody may have meant.
enum NearNames {
    /// `did you mean 'app1'?` where one is near enough, else the names that there are.
    static func hint(_ name: String, _ all: String, _ names: [String]) -> String {
        let near = names.map { (name: $0, distance: distance(name, $0)) }.min { $0.distance < $1.distance }
        let shortest = min(name.count, near?.name.count ?? 0)
        if let near, near.distance <= max(1, shortest / 3), near.distance < shortest {
            return "did you mean '\(near.name)'?"
        }
        return all + names.prefix(12).joined(separator: ", ")
            + (names.count > 12 ? ", and \(names.count - 12) more" : "")
    }

    /// How many characters are to be put in, left out, changed or swapped with the next one to make one word of the other
    /// (Damerau, Communications of the ACM 7(3), 1964; the restricted form).
    static func distance(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one), Array(other))
        var rows = [Array(0...other.count)]
        for at in one.indices {
            var row = [at + 1]
            for place in other.indices {
                let isSame = one[at] == other[place]
                var best = min(rows[at][place] + (isSame ? 0 : 1), row[place] + 1, rows[at][place + 1] + 1)
                if at > 0, place > 0, one[at] == other[place - 1], one[at - 1] == other[place] {
                    best = min(best, rows[at - 1][place - 1] + 1)
                }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[one.count][other.count]
    }
}
