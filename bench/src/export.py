"""Measures the CPU time that Python takes to write the rows of a `crawl export` with csv, json and pyarrow.

Only the writing is counted. Reading the rows, converting them for each writer, and starting the interpreter are not.
"""

import csv
import gc
import json
import sys
import time

ROWS = 10_000


def chunks(rows):
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS:
            yield chunk
            chunk = []
    yield chunk


def write_csv(source, out):
    cpu = 0.0
    with open(source, newline="", encoding="utf-8") as read, open(out, "w", newline="", encoding="utf-8") as written:
        writer = csv.writer(written)
        for rows in chunks(csv.reader(read)):
            begun = time.process_time()
            writer.writerows(rows)
            cpu += time.process_time() - begun
        begun = time.process_time()
        written.flush()
    return cpu + time.process_time() - begun


def write_jsonl(source, out):
    cpu = 0.0
    dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    with open(source, encoding="utf-8") as read, open(out, "w", encoding="utf-8") as written:
        for rows in chunks(json.loads(line) for line in read):
            begun = time.process_time()
            for row in rows:
                written.write(dumps(row) + "\n")
            cpu += time.process_time() - begun
        begun = time.process_time()
        written.flush()
    return cpu + time.process_time() - begun


def write_parquet(source, out):
    import pyarrow
    import pyarrow.parquet as parquet

    # One thread, because CPU time is compared.
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    file = parquet.ParquetFile(source)
    batches = list(file.iter_batches(ROWS, use_threads=False))
    # The encodings of our file: a dictionary where it has one, else the encoding named in its first row group.
    dictionaries, encodings = [], {}
    for i in range(file.metadata.num_columns):
        column = file.metadata.row_group(0).column(i)
        if column.has_dictionary_page:
            dictionaries.append(column.path_in_schema)
        else:
            encodings[column.path_in_schema] = next(name for name in column.encodings if name != "RLE")
    begun = time.process_time()
    writer = parquet.ParquetWriter(
        out,
        file.schema_arrow,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionaries,
        column_encoding=encodings,
    )
    writer.write_table(pyarrow.Table.from_batches(batches), row_group_size=1 << 18)
    writer.close()
    return time.process_time() - begun


gc.disable()
kind, source, out = sys.argv[1:]
print({"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}[kind](source, out))
