//! The one file of a ZIP archive that is wanted: found by its name's end, unpacked, and proved by its checksum.
//!
//! Source: APPNOTE.TXT of PKWARE, central directory and local headers; stored and deflated files. Deliberately not here:
//! encryption, archives in parts, files beyond four gigabytes; every one of those is refused.

use crate::pay::paypal::sign::crc32;
use encoding_rs::GBK;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Length of the end record without its comment, and the longest comment, bytes.
const END_BYTES: usize = 22;
const COMMENT_BYTES_MAX: usize = 65_535;
/// More files than any bill has.
const FILES_MAX: usize = 64;
/// Largest file that is unpacked, bytes.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Set in an entry whose name is UTF-8; others are in the code page of the country.
const NAME_IS_UTF8: usize = 1 << 11;

const BROKEN: &str = "not a whole archive";

/// The file whose name ends so, if there is exactly one.
pub(super) fn file(zip: &[u8], ending: &str) -> Result<Vec<u8>, &'static str> {
    let last = zip.len().checked_sub(END_BYTES).ok_or(BROKEN)?;
    let first = last.saturating_sub(COMMENT_BYTES_MAX);
    let end = (first..=last).rev().find(|&at| zip.get(at..).is_some_and(|rest| rest.starts_with(END))).ok_or(BROKEN)?;
    let (count, mut at) = (number(zip, end + 10, 2)?, number(zip, end + 16, 4)?);
    if count > FILES_MAX {
        return Err("too many files");
    }
    let mut found = None;
    for _ in 0..count {
        let entry = zip.get(at..).filter(|rest| rest.starts_with(ENTRY)).ok_or(BROKEN)?;
        let [name_length, extra, comment] = [28, 30, 32].map(|place| number(entry, place, 2));
        let (name_length, extra, comment) = (name_length?, extra?, comment?);
        let name = entry.get(46..46 + name_length).ok_or(BROKEN)?;
        let name = if number(entry, 8, 2)? & NAME_IS_UTF8 == 0 {
            GBK.decode_without_bom_handling(name).0
        } else {
            String::from_utf8_lossy(name)
        };
        if name.ends_with(ending) && found.replace(unpacked(zip, entry)?).is_some() {
            return Err("two files of the same kind");
        }
        at = at.saturating_add(46 + name_length + extra + comment);
    }
    found.ok_or("without the file it should have")
}

fn unpacked(zip: &[u8], entry: &[u8]) -> Result<Vec<u8>, &'static str> {
    let [method, packed, whole, local] = [(10, 2), (20, 4), (24, 4), (42, 4)].map(|(at, size)| number(entry, at, size));
    let (packed, whole, local) = (packed?, whole?, local?);
    let head = zip.get(local..).filter(|rest| rest.starts_with(LOCAL)).ok_or(BROKEN)?;
    let from = 30_usize.saturating_add(number(head, 26, 2)?).saturating_add(number(head, 28, 2)?);
    let bytes = head.get(from..from.saturating_add(packed)).ok_or(BROKEN)?;
    if whole > FILE_BYTES_MAX {
        return Err("a file that is too long");
    }
    let file = match method? {
        0 => bytes.to_vec(),
        8 => decompress_to_vec_with_limit(bytes, whole).map_err(|_| BROKEN)?,
        _ => return Err("packed in another way"),
    };
    let checksum = usize::try_from(crc32(&file)).map_err(|_| BROKEN)?;
    if file.len() == whole && checksum == number(entry, 16, 4)? { Ok(file) } else { Err(BROKEN) }
}

/// A number of so many bytes, the least first.
fn number(bytes: &[u8], at: usize, size: usize) -> Result<usize, &'static str> {
    let bytes = bytes.get(at..at.saturating_add(size)).ok_or(BROKEN)?;
    Ok(bytes.iter().rev().fold(0, |number: usize, byte| (number << 8) | usize::from(*byte)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec;

    /// An archive of these files, deflated.
    pub(in crate::pay::alipay) fn packed(files: &[(&[u8], &[u8])]) -> Vec<u8> {
        let (mut zip, mut directory) = (Vec::new(), Vec::new());
        for (name, file) in files {
            let body = compress_to_vec(file, 6);
            let sizes = [crc32(file).to_le_bytes(), length(body.len()), length(file.len())].concat();
            let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let at = length(zip.len());
            let common = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0][..], &sizes, &name_length, &[0, 0]].concat();
            zip.extend([LOCAL, &common, name, &body].concat());
            directory.extend([ENTRY, &[20, 0], &common, &[0; 10], &at, name].concat());
        }
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        let end = [END, &[0; 4], &count, &count, &length(directory.len()), &length(zip.len()), &[0, 0]].concat();
        [zip, directory, end].concat()
    }

    fn length(bytes: usize) -> [u8; 4] {
        u32::try_from(bytes).unwrap().to_le_bytes()
    }

    #[test]
    fn the_file_that_is_wanted_is_found_and_a_flipped_bit_of_it_is() {
        let file_name = GBK.encode("2088_20261120_业务明细.csv").0;
        let summary = GBK.encode("2088_20261120_业务明细(汇总).csv").0;
        let text = b"a,b\r\n".repeat(40);
        let zip = packed(&[(&summary, b"sums"), (&file_name, &text)]);
        assert_eq!(file(&zip, "业务明细.csv").unwrap(), text);
        assert_eq!(file(&zip, "(汇总).csv").unwrap(), b"sums");
        assert!(file(&zip, "账务明细.csv").is_err());
        assert!(file(&packed(&[(&file_name, b"a"), (&file_name, b"b")]), "业务明细.csv").is_err());
        for bit in 0..zip.len() * 8 {
            let mut changed = zip.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = file(&changed, "业务明细.csv") {
                assert_eq!(found, text, "bit {bit}: what is not of the file may differ");
            }
        }
        for cut in 0..zip.len() {
            assert!(file(&zip[..cut], "业务明细.csv").is_err(), "{cut}");
        }
    }
}
