//! The part of `protoc` that `prost-build` calls, in Rust.
//!
//! `containerd-client` compiles its `.proto` files in its build script and so needs a `protoc`.
//! On a machine without one, `proto/protoc` builds this program and runs it instead. It parses
//! and links the files with [`protox`] and writes the `FileDescriptorSet` that prost-build reads;
//! it has no plugins and generates no code.
//!
//! Understood: `-I DIR`, `-IDIR`, `--proto_path=DIR`, `-o FILE`, `-oFILE`,
//! `--descriptor_set_out=FILE`, `--include_imports`, `--include_source_info`, `--version`, and the
//! files. `--experimental_allow_proto3_optional` is accepted and changes nothing: optional fields
//! are part of proto3 by now. Every other option is refused.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    /// Folders that imports are looked up in, first match wins.
    includes: Vec<PathBuf>,
    /// The files to compile, as paths; each must lie below one of the folders.
    files: Vec<PathBuf>,
    /// Where the `FileDescriptorSet` goes.
    output: PathBuf,
    /// Whether the files' imports are part of the set.
    imports: Imports,
    /// Whether positions and comments are part of the set.
    source: SourceInfo,
}

/// Whether the output holds the imported files too.
#[derive(Debug, Default, PartialEq, Eq)]
enum Imports {
    /// The named files only.
    #[default]
    Omitted,
    /// Every file that the named ones import, directly or not.
    Included,
}

/// Whether the output holds positions and comments.
#[derive(Debug, Default, PartialEq, Eq)]
enum SourceInfo {
    /// Declarations only.
    #[default]
    Omitted,
    /// Positions and comments, which become doc comments in the generated code.
    Included,
}

/// What `main` is to do.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// Print the version and stop.
    Version,
    /// Compile.
    Compile(Request),
}

fn main() -> ExitCode {
    let outcome = match parse(std::env::args_os().skip(1)) {
        Ok(Action::Version) => {
            println!("protoc-rs {} (protox)", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Action::Compile(request)) => compile(&request),
        Err(reason) => Err(reason),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("protoc-rs: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Compiles the files and writes the set.
fn compile(request: &Request) -> Result<(), String> {
    // protoc looks in the working directory when it is told nothing else.
    let here = [PathBuf::from(".")];
    let includes = if request.includes.is_empty() { &here[..] } else { &request.includes };
    let mut compiler = protox::Compiler::new(includes).map_err(|error| error.to_string())?;
    compiler.include_imports(request.imports == Imports::Included);
    compiler.include_source_info(request.source == SourceInfo::Included);
    // Debug, not Display: it is the form that names the line and column.
    compiler.open_files(&request.files).map_err(|error| format!("{error:?}"))?;
    std::fs::write(&request.output, compiler.encode_file_descriptor_set())
        .map_err(|error| format!("{}: {error}", request.output.display()))
}

/// Reads the command line.
fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Action, String> {
    let mut request = Request::default();
    let mut output = None;
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if !argument.as_encoded_bytes().starts_with(b"-") {
            request.files.push(argument.into());
        } else if argument == "--version" {
            return Ok(Action::Version);
        } else if argument == "--include_imports" {
            request.imports = Imports::Included;
        } else if argument == "--include_source_info" {
            request.source = SourceInfo::Included;
        } else if argument == "--experimental_allow_proto3_optional" {
            // Nothing to switch on.
        } else if let Some(folder) = value(&argument, "-I", "--proto_path=", &mut arguments)? {
            request.includes.push(folder.into());
        } else if let Some(file) = value(&argument, "-o", "--descriptor_set_out=", &mut arguments)? {
            output = Some(file);
        } else {
            return Err(format!("{}: option not known, install the real protoc", argument.display()));
        }
    }
    if request.files.is_empty() {
        return Err("no file to compile".into());
    }
    request.output = output.ok_or("no output file, give -o FILE")?.into();
    Ok(Action::Compile(request))
}

/// The value of an option written `-x VALUE`, `-xVALUE` or `--long=VALUE`; `None` if it is another.
fn value(
    argument: &OsStr,
    short: &str,
    long: &str,
    rest: &mut impl Iterator<Item = OsString>,
) -> Result<Option<OsString>, String> {
    if argument == short {
        return rest.next().map(Some).ok_or_else(|| format!("{short}: the value is missing"));
    }
    // The options and file names that prost-build passes are UTF-8; a name that is not is refused
    // rather than changed.
    let text = argument.to_str().ok_or_else(|| format!("{}: not UTF-8", argument.display()))?;
    Ok(text.strip_prefix(long).or_else(|| text.strip_prefix(short)).map(OsString::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Result<Action, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_prost_build_passes_is_understood() {
        let line = "--include_imports --include_source_info -o /o/set -I a/ -Ib --proto_path=c \
                    --experimental_allow_proto3_optional a/x.proto b/y.proto";
        let expected = Request {
            includes: vec!["a/".into(), "b".into(), "c".into()],
            files: vec!["a/x.proto".into(), "b/y.proto".into()],
            output: "/o/set".into(),
            imports: Imports::Included,
            source: SourceInfo::Included,
        };
        assert_eq!(arguments(line), Ok(Action::Compile(expected)));
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert_eq!(
            arguments("--go_out=x a.proto -o s"),
            Err("--go_out=x: option not known, install the real protoc".into())
        );
    }

    #[test]
    fn an_option_without_its_value_is_refused() {
        assert_eq!(arguments("a.proto -o"), Err("-o: the value is missing".into()));
    }

    #[test]
    fn no_output_is_refused() {
        assert_eq!(arguments("-I . a.proto"), Err("no output file, give -o FILE".into()));
    }

    #[test]
    fn no_file_is_refused() {
        assert_eq!(arguments("-o set"), Err("no file to compile".into()));
    }

    #[test]
    fn an_error_in_a_file_names_the_file_and_the_place() {
        let folder = std::env::temp_dir().join(format!("protoc-rs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        let file = folder.join("bad.proto");
        std::fs::write(&file, "syntax = \"proto3\";\nmessage X { strin y = 1; }\n").expect("file");
        let request = Request {
            includes: vec![folder.clone()],
            files: vec![file],
            output: folder.join("set"),
            ..Request::default()
        };
        let error = compile(&request).expect_err("a type that does not exist");
        let written = request.output.exists();
        std::fs::remove_dir_all(&folder).expect("removal");
        assert!(error.contains("bad.proto:2:13"), "{error}");
        assert!(!written);
    }
}
