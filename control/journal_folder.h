// The journal's folder: made, locked, listed; its files read, created and replaced.
//
// File calls only; errors name the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/failure.h"
#include "control/file.h"

namespace shunt::control {

// 0700, made with its parents if need be. A failure names the key `journal`.
bool make_folder(const std::string& folder, Failure& failure);
// Holds FOLDER/lock until the File goes. Fails when another daemon holds it.
File lock_folder(const std::string& folder, Failure& failure);

// Numbers of FOLDER/NNNNNNNN.log, rising. Half-written replacements (*.tmp) are removed.
std::vector<std::uint32_t> list_logs(const std::string& folder);
std::string log_name(const std::string& folder, std::uint32_t number);

// All bytes of a file; false: `why` says what failed.
bool read_file(const std::string& path, std::string& bytes, std::string& why);
// Writes all of `bytes` at `offset`. 0, or errno; a part may then have been written.
int write_at(const File& file, std::string_view bytes, std::uint64_t offset);
// A new file with `bytes`, under `path` only when it is whole and on disk. Empty File: `why`.
File write_whole(const std::string& path, std::string_view bytes, std::string& why);
File open_log(const std::string& path, std::string& why);
// So that a name made or replaced in the folder outlives a power cut. 0, or errno.
int sync_folder(const std::string& folder);

}  // namespace shunt::control
