//! Documents written here, and what becomes of them: field by field, most of them refused.

mod attestors;
mod cluster_image_policy;
mod keyless;
mod validations;

use std::sync::LazyLock;

use super::{Code, Import, Translation, Weight, render};
use crate::trust::root_key::{RootKey, RootKeyType};

/// A public key of this run.
static KEY: LazyLock<String> =
    LazyLock::new(|| RootKey::generate(RootKeyType::P256).unwrap().public_pem().unwrap());
static OTHER: LazyLock<String> =
    LazyLock::new(|| RootKey::generate(RootKeyType::P256).unwrap().public_pem().unwrap());

const ONE: &str = "images.containers.map(i, verifyImageSignatures(i, [attestors.a])).all(e, e > 0)";

/// A policy with its parts replaced by others.
#[derive(Clone)]
struct Document {
    spec: String,
    attestors: String,
    attestations: String,
    validations: Vec<String>,
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

fn attestor(name: &str, pem: &str) -> String {
    format!(
        "- name: {name}\n  cosign:\n    key:\n      data: |\n{}    ctlog: {{url: \"https://log.example\", insecureIgnoreTlog: true}}\n",
        indented(pem, 8)
    )
}

impl Document {
    fn new() -> Self {
        Self {
            spec: "matchImageReferences: [{glob: \"team/*\"}]\n".to_owned(),
            attestors: attestor("a", &KEY) + &attestor("b", &OTHER),
            attestations: String::new(),
            validations: vec![ONE.to_owned()],
        }
    }

    fn spec(self, lines: &str) -> Self {
        Self { spec: format!("{}{lines}\n", self.spec), ..self }
    }

    fn validation(self, expression: &str) -> Self {
        Self { validations: vec![expression.to_owned()], ..self }
    }

    fn and(mut self, expression: &str) -> Self {
        self.validations.push(expression.to_owned());
        self
    }

    fn attestation(self, name: &str, kind: &str) -> Self {
        Self {
            attestations: format!("{}- name: {name}\n  intoto: {{type: \"{kind}\"}}\n", self.attestations),
            ..self
        }
    }

    fn text(&self) -> String {
        let mut text =
            "apiVersion: policies.kyverno.io/v1\nkind: ImageValidatingPolicy\nmetadata: {name: p}\nspec:\n"
                .to_owned();
        text += &indented(&self.spec, 2);
        text += "  attestors:\n";
        text += &indented(&self.attestors, 2);
        if !self.attestations.is_empty() {
            text += "  attestations:\n";
            text += &indented(&self.attestations, 2);
        }
        text += "  validations:\n";
        for expression in &self.validations {
            text += &format!("  - expression: |-\n{}", indented(expression, 6));
        }
        text
    }

    fn import(&self) -> Import {
        Import::read("x.yaml", &self.text())
    }

    /// The policy without its comments.
    #[track_caller]
    fn policy(&self) -> String {
        let import = self.import();
        let Some(policy) = import.policy else { panic!("{:#?}\n{}", import.findings, self.text()) };
        policy.text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
    }

    /// The rule with what it asks of attestations, before it is checked whether this version enforces that.
    #[track_caller]
    fn unchecked(&self) -> String {
        let translation = Translation::read(&self.text());
        assert!(!translation.findings.refused(), "{:#?}", translation.findings);
        render::policy(&translation, "x").split_once("[[rule]]\n").unwrap().1.to_owned()
    }

    /// The rule alone.
    #[track_caller]
    fn rule(&self) -> String {
        self.policy().split_once("[[rule]]\n").unwrap().1.to_owned()
    }

    /// Codes and fields of the remarks.
    #[track_caller]
    fn remarks(&self) -> Vec<(Code, String)> {
        let import = self.import();
        assert!(import.policy.is_some(), "{:#?}", import.findings);
        import.of_weight(Weight::Remark).map(|finding| (finding.code, finding.path.clone())).collect()
    }

    /// Refused for this field, this reason.
    #[track_caller]
    fn refused(&self, code: Code, path: &str, words: &str) {
        let import = self.import();
        assert_eq!(import.policy, None, "{}", self.text());
        let found = import.of_weight(Weight::Refusal).any(|finding| {
            finding.code == code
                && finding.path == path
                && finding.text.contains(words)
                && finding.at.is_some()
        });
        assert!(found, "{path}: {words}: {:#?}", import.findings);
    }
}

#[test]
fn a_policy_that_needs_nothing_else_is_carried_over_whole() {
    let document = Document::new();
    assert_eq!(
        document.policy(),
        "schema = 1\n\n[[authority]]\nname = \"a\"\nkey = \"a.pub\"\n\n[[rule]]\nname = \"p\"\n\
         match = [\"docker.io/team/**\"]\nsigned_by = [\"a\"]\n"
    );
    // `b` is named by no validation.
    assert_eq!(document.remarks(), [(Code::Unused, "spec.attestors[1]".to_owned())]);
    let keys = document.import().policy.unwrap().keys;
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), [("a.pub".to_owned(), KEY.clone())]);
}

#[test]
fn fields_of_the_specification_are_carried_over_remarked_on_or_refused() {
    let of = |path: &str| format!("spec.{path}");
    for (lines, rule) in [
        ("validationActions: [Deny]", ""),
        ("validationActions: []", ""),
        ("validationActions: [Audit, Deny]", ""),
        ("validationActions: [Audit]", "mode = \"audit\"\n"),
        ("validationActions: [Warn, Audit]", "mode = \"audit\"\n"),
        ("failurePolicy: Fail", ""),
        ("webhookConfiguration: {timeoutSeconds: 9}\nautogen: {podControllers: {controllers: [jobs]}}", ""),
        ("evaluation: {mode: Kubernetes, background: {enabled: false}}", ""),
        ("validationConfigurations: {mutateDigest: false, verifyDigest: false, required: false}", ""),
        ("validationConfigurations: {verifyDigest: true}", ""),
        (
            "matchConstraints: {resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}",
            "",
        ),
        ("matchConstraints: {namespaceSelector: {}, objectSelector: {}, matchPolicy: Exact}", ""),
        (
            "matchConstraints: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: demo}}}",
            "namespaces = [\"demo\"]\n",
        ),
        (
            "matchConstraints: {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [b, a]}, {key: kubernetes.io/metadata.name, operator: In, values: [b]}]}}",
            "namespaces = [\"b\"]\n",
        ),
    ] {
        let document = Document::new().spec(lines);
        let (before, after) = rule.strip_prefix("namespaces").map_or((rule, ""), |_| ("", rule));
        assert!(
            document.rule().contains(&format!("{after}{before}signed_by")),
            "{lines}: {}",
            document.rule()
        );
        assert_eq!(document.remarks().len(), 1, "{lines}: {:?}", document.remarks());
    }
    for (lines, code, path) in [
        ("failurePolicy: Ignore", Code::Stricter, "failurePolicy"),
        ("evaluation: {admission: {enabled: false}}", Code::Differs, "evaluation.admission.enabled"),
        ("matchConditions: [{name: x, expression: \"true\"}]", Code::Stricter, "matchConditions[0]"),
        ("credentials: {secrets: [x]}", Code::Elsewhere, "credentials"),
        ("auditAnnotations: [{key: x, valueExpression: \"'y'\"}]", Code::Elsewhere, "auditAnnotations"),
        (
            "matchConstraints: {resourceRules: [{resources: [deployments]}]}",
            Code::Stricter,
            "matchConstraints.resourceRules",
        ),
        (
            "matchConstraints: {resourceRules: [{resources: [pods], resourceNames: [x]}]}",
            Code::Stricter,
            "matchConstraints.resourceRules[0].resourceNames",
        ),
        (
            "matchConstraints: {excludeResourceRules: [{resources: [pods]}]}",
            Code::Stricter,
            "matchConstraints.excludeResourceRules",
        ),
        (
            "matchConstraints: {objectSelector: {matchLabels: {a: b}}}",
            Code::Stricter,
            "matchConstraints.objectSelector",
        ),
        (
            "matchConstraints: {namespaceSelector: {matchLabels: {a: b}}}",
            Code::Stricter,
            "matchConstraints.namespaceSelector.matchLabels[\"a\"]",
        ),
        (
            "matchConstraints: {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}}",
            Code::Stricter,
            "matchConstraints.namespaceSelector.matchExpressions[0]",
        ),
        (
            "matchConstraints: {namespaceSelector: {matchExpressions: [{key: env, operator: In, values: [prod]}]}}",
            Code::Stricter,
            "matchConstraints.namespaceSelector.matchExpressions[0]",
        ),
    ] {
        assert!(
            Document::new().spec(lines).remarks().contains(&(code, of(path))),
            "{lines}: {:?}",
            Document::new().spec(lines).remarks()
        );
    }
    for (lines, code, path, words) in [
        ("validationActions: [deny]", Code::ImportValue, "validationActions", "\"deny\""),
        ("validationActions: Deny", Code::ImportSyntax, "validationActions", "must be a list"),
        ("failurePolicy: ignore", Code::ImportValue, "failurePolicy", "\"ignore\""),
        ("evaluation: {mode: JSON}", Code::ImportNotEnforced, "evaluation.mode", "no pods"),
        (
            "evaluation: {admissions: {enabled: false}}",
            Code::ImportField,
            "evaluation.admissions",
            "did you mean `admission`",
        ),
        (
            "evaluation: {admission: {enabled: 1}}",
            Code::ImportSyntax,
            "evaluation.admission.enabled",
            "true or false",
        ),
        (
            "validationConfigurations: {mutateDigest: false}",
            Code::ImportNotEnforced,
            "validationConfigurations.mutateDigest",
            "name a tag",
        ),
        (
            "validationConfigurations: {mutateDigests: true}",
            Code::ImportField,
            "validationConfigurations.mutateDigests",
            "mutateDigest",
        ),
        ("matchConditions: [{name: x}]", Code::ImportField, "matchConditions[0].expression", "is missing"),
        (
            "matchConstraints: {namespaceSelectors: {}}",
            Code::ImportField,
            "matchConstraints.namespaceSelectors",
            "did you mean",
        ),
        (
            "matchConstraints: {resourceRules: [{pods: x}]}",
            Code::ImportField,
            "matchConstraints.resourceRules[0].pods",
            "no field",
        ),
        (
            "matchConstraints: {namespaceSelector: {matchExpressions: [{key: x, operator: Is}]}}",
            Code::ImportValue,
            "matchConstraints.namespaceSelector.matchExpressions[0].operator",
            "\"Is\"",
        ),
        (
            "matchConstraints: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}, matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [b]}]}}",
            Code::ImportValue,
            "matchConstraints.namespaceSelector",
            "holds nowhere",
        ),
        ("exceptions: []", Code::ImportField, "exceptions", "no field"),
        ("variables: [{name: x}]", Code::ImportField, "variables[0].expression", "is missing"),
        ("images: [{name: x}]", Code::ImportField, "images[0].expression", "is missing"),
    ] {
        Document::new().spec(lines).refused(code, &of(path), words);
    }
}

#[test]
fn images_are_matched_by_globs_and_by_simple_expressions() {
    let with = |items: &str| Document { spec: format!("matchImageReferences: {items}\n"), ..Document::new() };
    for (items, patterns) in [
        ("[]", "[\"**\"]"),
        ("[{glob: \"*\"}]", "[\"**\"]"),
        ("[{glob: \"ghcr.io/a/*\"}, {glob: \"b/*\"}]", "[\"docker.io/b/**\", \"ghcr.io/a/**\"]"),
        ("[{glob: \"*\"}, {glob: \"b/*\"}]", "[\"**\"]"),
        ("[{expression: \"ref.startsWith('ghcr.io/a/')\"}]", "[\"ghcr.io/a/**\"]"),
        (
            "[{expression: \"ref == 'nginx' || ref.startsWith('ghcr.io/a/x')\"}]",
            "[\"docker.io/library/nginx\", \"ghcr.io/a/x*\", \"ghcr.io/a/x*/**\"]",
        ),
    ] {
        assert!(
            with(items).rule().contains(&format!("match = {patterns}\n")),
            "{items}: {}",
            with(items).rule()
        );
    }
    let none = Document { spec: String::new(), ..Document::new() };
    assert!(none.rule().contains("match = [\"**\"]\n"));
    let path = |field: &str| format!("spec.matchImageReferences[0]{field}");
    for (items, code, field, words) in [
        ("[{glob: \"*.gcr.io/x\"}]", Code::ImportPattern, ".glob", "reaches from"),
        ("[{glob: \"gcr.io/*x\"}]", Code::ImportPattern, ".glob", "end of a name or of a tag"),
        ("[{glob: \"{a,b}/*\"}]", Code::ImportPattern, ".glob", "counterpart"),
        ("[{glob: \"\"}]", Code::ImportValue, ".glob", "is empty"),
        ("[{}]", Code::ImportField, "", "exactly one"),
        ("[{glob: x, expression: y}]", Code::ImportField, "", "exactly one"),
        ("[{expression: \"true\"}]", Code::ImportExpression, ".expression", "write a glob"),
        ("[{expression: \"ref.endsWith('x')\"}]", Code::ImportExpression, ".expression", "write a glob"),
        ("[{expression: \"!ref.startsWith('x')\"}]", Code::ImportExpression, ".expression", "write a glob"),
        (
            "[{expression: \"ref.startsWith('x') && ref != 'xy'\"}]",
            Code::ImportExpression,
            ".expression",
            "write a glob",
        ),
        ("[{expression: \"ref.startsWith('ghcr')\"}]", Code::ImportPattern, ".expression", "reaches from"),
        ("[{expression: \"ref.startsWith(\"}]", Code::ImportExpression, ".expression", "cannot be read"),
        ("[{blob: x}]", Code::ImportField, ".blob", "did you mean `glob`"),
        ("[x]", Code::ImportSyntax, "", "must be a mapping"),
    ] {
        with(items).refused(code, &path(field), words);
    }
    assert!(with("[{glob: \"ghcr.io/a/b:v1\"}]").remarks().contains(&(Code::Stricter, path(".glob"))));
}

#[test]
fn other_documents_are_named_or_refused() {
    let good = Document::new().text();
    let import = |text: &str| Import::read("x.yaml", text);
    let skipped = import(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: demo}}\n---\n{good}"));
    assert!(skipped.policy.is_some());
    assert!(
        skipped
            .findings
            .iter()
            .any(|f| f.code == Code::Skipped && f.path == "document[0]" && f.text.contains("Namespace"))
    );
    let listed = import(&format!(
        "apiVersion: v1\nkind: List\nitems:\n{}",
        indented(&good, 2).replacen("  api", "- api", 1)
    ));
    assert!(listed.policy.is_some(), "{:?}", listed.findings);
    let code = |text: &str| {
        let read = import(text);
        assert_eq!(read.policy, None, "{text}");
        read.of_weight(Weight::Refusal).map(|finding| finding.code).collect::<Vec<_>>()
    };
    for text in [
        "",
        "# nothing\n",
        "---\n---\n",
        "apiVersion: v1\nkind: Pod\n",
        "kind: List\n",
        "- a\n",
        "text\n",
        "a: 1\n",
    ] {
        assert!(code(text).contains(&Code::ImportKind), "{text:?}");
    }
    for (from, to) in [
        ("policies.kyverno.io/v1", "policies.kyverno.io/v2"),
        ("policies.kyverno.io/v1", "policies.kyverno.io"),
        ("policies.kyverno.io/v1", "kyverno.io/v1"),
        ("kind: ImageValidatingPolicy", "kind: ImageVerifyingPolicy"),
    ] {
        assert!(code(&good.replace(from, to)).contains(&Code::ImportKind), "{to}");
    }
    for (text, words) in [
        ("{\"default\": [{\"type\": \"reject\"}]}", "signedIdentity"),
        ("{\"version\": \"1.0\", \"trustPolicies\": []}", "Notation"),
    ] {
        assert!(
            import(text).findings.iter().any(|f| f.code == Code::ImportKind && f.text.contains(words)),
            "{text}"
        );
    }
    let former = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: x}\nspec: {rules: [{verifyImages: []}]}\n";
    assert_eq!(code(&format!("{good}---\n{former}")), [Code::ImportKind]);
    // One that says nothing of images is another kind of document.
    let other = former.replace("verifyImages", "validate");
    assert!(import(&format!("{good}---\n{other}")).policy.is_some());
    for (from, to, path) in [
        ("metadata: {name: p}", "metadata: {}", "metadata.name"),
        ("metadata: {name: p}", "metadata: {name: 7}", "metadata.name"),
        ("metadata: {name: p}", "metadata: {name: p, nome: q}", "metadata.nome"),
        ("metadata: {name: p}\n", "", "metadata"),
        ("spec:\n", "specs:\n", "spec"),
        ("kind: I", "extra: 1\nkind: I", "extra"),
    ] {
        let read = import(&good.replacen(from, to, 1));
        assert_eq!(read.policy, None, "{to}");
        assert!(
            read.of_weight(Weight::Refusal).any(|finding| finding.path == path),
            "{to}: {:?}",
            read.findings
        );
    }
}

#[test]
fn a_namespaced_policy_is_for_its_namespace() {
    let namespaced = |metadata: &str, spec: &str| {
        let text = Document::new().spec(spec).text();
        let text = text.replace("kind: Image", "kind: NamespacedImage").replace("{name: p}", metadata);
        Import::read("x.yaml", &text)
    };
    let policy = namespaced("{name: p, namespace: demo}", "").policy.unwrap();
    assert!(policy.text.contains("namespaces = [\"demo\"]"));
    let anywhere = namespaced("{name: p}", "");
    assert!(!anywhere.policy.as_ref().unwrap().text.contains("namespaces ="));
    assert!(anywhere.findings.iter().any(|f| f.code == Code::Stricter && f.path == "metadata.namespace"));
    let selector =
        "matchConstraints: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}";
    assert_eq!(namespaced("{name: p, namespace: demo}", selector).policy, None);
    // What becomes no namespace of ours is found before anybody sees it.
    let odd = namespaced("{name: p, namespace: \"Not_One\"}", "");
    assert!(
        odd.of_weight(Weight::Refusal)
            .any(|f| f.code == Code::ImportPolicy && f.text.contains("policy-text"))
    );
}

#[test]
fn policies_that_have_to_be_met_together_are_refused() {
    let one = Document::new().text();
    let second = |spec: &str, name: &str| {
        Document { spec: spec.to_owned(), ..Document::new() }
            .text()
            .replace("{name: p}", &format!("{{name: {name}}}"))
    };
    let import = |second: &str| Import::read("x.yaml", &format!("{one}---\n{second}"));
    let apart = import(&second("matchImageReferences: [{glob: \"ghcr.io/x/*\"}]\n", "q"));
    let text = apart.policy.unwrap().text;
    assert_eq!((text.matches("[[rule]]").count(), text.matches("[[authority]]").count()), (2, 1));
    // The same name twice, and another key by the same name.
    let other = second("matchImageReferences: [{glob: \"ghcr.io/x/*\"}]\n", "p")
        .replace(&indented(&KEY, 10), &indented(&OTHER, 10));
    let text = import(&other).policy.unwrap().text;
    assert!(
        text.contains("name = \"p-2\"") && text.contains("name = \"p-a\"") && text.contains("p-a.pub"),
        "{text}"
    );
    for spec in
        ["", "matchImageReferences: [{glob: \"team/x/*\"}]\n", "matchImageReferences: [{glob: \"*\"}]\n"]
    {
        let read = import(&second(spec, "q"));
        assert_eq!(read.policy, None);
        assert!(read.of_weight(Weight::Refusal).all(|finding| finding.code == Code::ImportConflict));
    }
}

/// Whatever is damaged: an answer, and never a rule that asks for nothing.
#[test]
fn a_damaged_document_is_refused_or_still_asks_for_a_signature() {
    let attested =
        "images.containers.all(i, verifyAttestationSignatures(i, attestations.x, [attestors.a]) > 0)";
    let document =
        Document::new().spec("validationActions: [Deny]").attestation("x", "vuln").and(attested).text();
    let pieces = [
        "", " ", "\n", "[", "]", "{", "}", ":", "\"", "'", "*", "&a", "-", "null", "0", "true", "|", "#",
        "é", "\t",
    ];
    let characters: Vec<char> = document.chars().collect();
    let (mut refused, mut imported) = (0, 0);
    let mut state = 11_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..1500 {
        let (at, length) = (next(characters.len()), next(30));
        let mut text: String = characters.iter().take(at).collect();
        text.push_str(pieces[next(pieces.len())]);
        text.extend(characters.iter().skip(at + length));
        let import = Import::read("x", &text);
        match import.policy {
            None => {
                refused += 1;
                assert!(import.of_weight(Weight::Refusal).next().is_some(), "{text}");
            }
            Some(policy) => {
                imported += 1;
                assert!(
                    policy.text.contains("signed_by = [\"a\"]") && !policy.text.contains("\"allow\""),
                    "{text}"
                );
            }
        }
    }
    assert!(refused > 1000 && imported > 20, "{refused} {imported}");
}

/// Kyverno counts attestors, pullward counts who can sign: one key under two names is one.
#[test]
fn two_attestors_with_one_key_do_not_make_two_signers() {
    let attestors = attestor("a", &KEY) + &attestor("b", &KEY);
    let both = "images.containers.all(i, verifyImageSignatures(i, [attestors.a, attestors.b]) == 2)";
    let import = Document { attestors, ..Document::new() }.validation(both).import();
    assert!(
        import
            .of_weight(Weight::Refusal)
            .any(|f| f.code == Code::ImportPolicy && f.text.contains("policy-threshold"))
    );
}

#[test]
fn policies_of_one_file_are_bounded() {
    let one = |n: usize| {
        let spec = format!("matchImageReferences: [{{glob: \"ghcr.io/x{n}x/*\"}}]\n");
        Document { spec, ..Document::new() }.text()
    };
    let count = pullward_core::limits::IMPORT_POLICIES;
    let file = |count: usize| (0..count).map(one).collect::<Vec<_>>().join("---\n");
    assert_eq!(Import::read("x", &file(count)).policy.map(|policy| policy.rules), Some(count));
    let more = Import::read("x", &file(count + 1));
    assert!(more.of_weight(Weight::Refusal).any(|finding| finding.text.contains("split it")));
}

#[test]
fn names_become_names_of_ours() {
    for (name, authority) in
        [("image", "p-image"), ("\"a b/../c\"", "a-b-..-c"), ("\".hidden\"", "hidden"), ("\"é\"", "-")]
    {
        let attestors = attestor("x", &KEY).replace("name: x", &format!("name: {name}"));
        let validation = ONE.replace("attestors.a", &format!("attestors[\"{}\"]", name.trim_matches('"')));
        let document = Document { attestors, ..Document::new() }.validation(&validation);
        let policy = document.import().policy;
        assert!(
            policy.as_ref().is_some_and(|policy| policy.keys.contains_key(&format!("{authority}.pub"))),
            "{name}: {policy:?}"
        );
    }
}

#[test]
fn a_document_cannot_write_lines_of_its_own_into_the_policy() {
    let document = Document::new()
        .spec("webhookConfiguration: {}")
        .text()
        .replace("{name: p}", "{name: \"p\\n[[rule]]\\nmode = \\\"allow\\\"\"}");
    let import = Import::read("x\n[[rule]]", &document);
    assert_eq!(import.policy, None);
    let document = Document::new()
        .text()
        .replace("metadata: {name: p}", "metadata: {name: p, labels: {}}\n\"x\\nmode = 1\": 1");
    let import = Import::read("x\ny", &document);
    assert_eq!(import.policy, None);
}
