// Record sets from Kafka's own encoder, and the same sets renumbered by it. README.md has the
// format of the lines.
//
//   java -cp 'build/deps/kafka-clients-4.4.0/*' tests/golden/GoldenBatches.java OUT_FOLDER

import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

public class GoldenBatches {
    /** What to build a set with; the original has shift 0 and nothing replaced. */
    record Edit(long shift, Integer leaderEpoch, Long producerId, Short producerEpoch) {
        static final Edit NONE = new Edit(0, null, null, null);
        int epoch(int own) { return leaderEpoch == null ? own : leaderEpoch; }
        long id(long own) { return producerId == null || own < 0 ? own : producerId; }
        short idEpoch(long id, short own) {
            return producerEpoch == null || id < 0 ? own : producerEpoch;
        }
        String text() {
            return shift + " " + dash(leaderEpoch) + " " + dash(producerId) + " "
                + dash(producerEpoch);
        }
        static String dash(Object o) { return o == null ? "-" : o.toString(); }
    }

    interface Build { void into(ByteBuffer out, Edit edit) throws Exception; }

    static final List<Edit> EDITS = List.of(
        new Edit(1000, null, null, null),
        new Edit(-7, null, null, null),
        new Edit(1L << 40, 7, null, null),
        new Edit(0, -1, null, null),
        new Edit(0, null, (1L << 48) + 17, (short) 3),
        new Edit(519, 12, (1L << 48) + 4711, (short) 0));

    static PrintWriter out;

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        Files.createDirectories(folder);
        try (var file = new PrintWriter(Files.newBufferedWriter(folder.resolve("batches.txt")))) {
            out = file;
            Map<String, Compression> codecs = new LinkedHashMap<>();
            codecs.put("none", Compression.NONE);
            codecs.put("gzip", Compression.gzip().build());
            codecs.put("snappy", Compression.snappy().build());
            codecs.put("lz4", Compression.lz4().build());
            codecs.put("zstd", Compression.zstd().build());
            codecs.forEach((name, codec) -> {
                if (!name.equals("zstd")) {
                    emit("v0-" + name, legacy(0, codec, 41, 3));
                    emit("v1-" + name, legacy(1, codec, 41, 3));
                    emit("v1-" + name + "-one", legacy(1, codec, 9041, 1));
                }
                emit("v2-" + name, v2(codec, 9041, 5, -1, 5, 0));
                emit("v2-" + name + "-idempotent", v2(codec, 1L << 33, 0, 4000, 5, 0));
                emit("v2-" + name + "-transactional", v2(codec, 100, 3, 4001, 2, 1));
            });
            emit("v0-gap", legacyGap(0));
            emit("v1-gap", legacyGap(1));
            emit("v1-append-time", (b, e) -> {
                var builder = MemoryRecords.builder(b, (byte) 1, Compression.gzip().build(),
                    TimestampType.LOG_APPEND_TIME, 20 + e.shift, 1700000000999L);
                records(builder, 20 + e.shift, 2, 20);
            });
            emit("v2-append-time", v2(Compression.NONE, 7, 1, -1, 2, 2));
            emit("v2-tiny", v2(Compression.NONE, 10, 1, 5, 1, 4));
            emit("v2-large", v2(Compression.NONE, 100, 0, 77, 3, 8));
            emit("v2-gap", v2(Compression.NONE, 50, 2, 6, 4, 16));
            emit("v2-empty", (b, e) -> DefaultRecordBatch.writeEmptyHeader(b, (byte) 2, e.id(9),
                e.idEpoch(9, (short) 1), 4, 300 + e.shift, 309 + e.shift, e.epoch(8),
                TimestampType.CREATE_TIME, 1700000000000L, false, false));
            emit("v2-commit", marker(ControlRecordType.COMMIT, 64));
            emit("v2-abort", marker(ControlRecordType.ABORT, 65));
            Build first = v2(Compression.NONE, 7, 1, -1, 2, 0);
            Build second = v2(Compression.gzip().build(), 9, 1, 12, 3, 1);
            Build third = marker(ControlRecordType.COMMIT, 12);
            Build fourth = v2(Compression.zstd().build(), 13, 2, 13, 1, 0);
            emit("several-v2", (b, e) -> {
                for (Build one : List.of(first, second, third, fourth)) one.into(b, e);
            });
            emit("several-magics", (b, e) -> {
                legacyGap(0).into(b, e);
                legacy(1, Compression.gzip().build(), 41, 3).into(b, e);
                v2(Compression.NONE, 60, 1, -1, 2, 0).into(b, e);
            });
        }
    }

    // -- The sets ----------------------------------------------------------------------------

    /** flags: 1 transactional, 2 log append time, 4 tiny records, 8 large records, 16 gaps. */
    static Build v2(Compression codec, long base, int epoch, long id, int count, int flags) {
        return (b, e) -> {
            long at = base + e.shift, own = e.id(id);
            short idEpoch = e.idEpoch(id, (short) (id < 0 ? -1 : 2));
            var type = (flags & 2) != 0 ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME;
            var builder = MemoryRecords.builder(b, (byte) 2, codec, type, at, 1700000000999L, own,
                idEpoch, id < 0 ? -1 : 30, (flags & 1) != 0, false, e.epoch(epoch));
            int step = (flags & 16) != 0 ? 5 : 1;
            int bytes = (flags & 4) != 0 ? 0 : (flags & 8) != 0 ? 4000 : 40;
            for (int i = 0; i < count; i++) {
                Header[] headers = i % 2 == 0 ? new Header[0]
                    : new Header[] {new RecordHeader("trace", new byte[] {1, 2, (byte) i})};
                byte[] key = i % 3 == 2 ? null : text("key", i, 3);
                byte[] value = i == 3 ? null : text("value", i, bytes);
                builder.appendWithOffset(at + (long) i * step, 1700000000000L + i, key, value,
                    headers);
            }
            builder.build();
        };
    }

    static Build legacy(int magic, Compression codec, long base, int count) {
        return (b, e) -> records(MemoryRecords.builder(b, (byte) magic, codec,
            TimestampType.CREATE_TIME, base + e.shift), base + e.shift, count, 30);
    }

    static Build legacyGap(int magic) {
        return (b, e) -> {
            var builder = MemoryRecords.builder(b, (byte) magic, Compression.NONE,
                TimestampType.CREATE_TIME, 11 + e.shift);
            for (long at : new long[] {11, 14, 40}) {
                builder.appendWithOffset(at + e.shift, magic == 0 ? -1 : 1700000000000L + at,
                    at == 14 ? null : text("key", 1, 4), text("value", 2, 10));
            }
            builder.build();
        };
    }

    static void records(MemoryRecordsBuilder builder, long base, int count, int bytes) {
        for (int i = 0; i < count; i++) {
            builder.appendWithOffset(base + i, builder.magic() == 0 ? -1 : 1700000000000L + i,
                text("key", i, 4), text("value", i, bytes));
        }
        builder.build();
    }

    static Build marker(ControlRecordType type, long at) {
        return (b, e) -> {
            short idEpoch = e.idEpoch(4001, (short) 2);
            b.put(MemoryRecords.withEndTransactionMarker(at + e.shift, 1700000000123L, e.epoch(3),
                e.id(4001), idEpoch, new EndTransactionMarker(type, 6)).buffer());
        };
    }

    static byte[] text(String what, int i, int bytes) {
        StringBuilder s = new StringBuilder(what + "-" + i);
        while (s.length() < bytes) s.append(" ").append(what).append(s.length() * 31 % 97);
        return s.toString().getBytes(StandardCharsets.US_ASCII);
    }

    // -- The lines ---------------------------------------------------------------------------

    static void emit(String name, Build build) {
        try {
            ByteBuffer set = built(build, Edit.NONE);
            out.printf("set %s %s%n", name, hex(set));
            int at = 0;
            boolean fixed = false;  // a compressed v0 set has absolute offsets inside
            for (var batch : MemoryRecords.readableRecords(set.duplicate()).batches()) {
                if (!batch.isValid()) throw new IllegalStateException(name + ": checksum");
                fixed |= batch.magic() == 0 && batch.isCompressed();
                out.printf("batch %s %d %s%n", name, at, fields(set, at, batch));
                at += batch.sizeInBytes();
            }
            for (Edit edit : EDITS) {
                boolean refused = fixed && edit.shift != 0;
                out.printf("edit %s %s %s%n", name, edit.text(),
                    refused ? "refused" : hex(built(build, edit)));
            }
        } catch (Exception e) {
            throw new IllegalStateException(name, e);
        }
    }

    /** size magic attributes base last crc, then of v2 what is in its header. */
    static String fields(ByteBuffer set, int at, MutableRecordBatch batch) {
        String common = batch.sizeInBytes() + " " + batch.magic() + " ";
        if (batch.magic() < 2) {
            return common + set.get(at + 17) + " " + set.getLong(at) + " " + batch.lastOffset()
                + " " + Integer.toUnsignedLong(set.getInt(at + 12)) + " - - - - - - -";
        }
        return common + set.getShort(at + 21) + " " + batch.baseOffset() + " " + batch.lastOffset()
            + " " + batch.checksum() + " " + batch.partitionLeaderEpoch() + " "
            + set.getLong(at + 27) + " " + batch.maxTimestamp() + " " + batch.producerId() + " "
            + batch.producerEpoch() + " " + batch.baseSequence() + " " + batch.countOrNull();
    }

    static ByteBuffer built(Build build, Edit edit) throws Exception {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        build.into(buffer, edit);
        return buffer.flip();
    }

    static String hex(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return HexFormat.of().formatHex(bytes);
    }
}
