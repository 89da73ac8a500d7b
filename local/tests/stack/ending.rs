//! What is left of a stack that has ended.

use local::Stack;
use tokio::runtime::Builder;

/// Tests start many hundred stacks in one process.
#[cfg(target_os = "linux")]
#[test]
fn a_stack_that_has_ended_holds_no_file_open() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let folder = runtime.block_on(async {
        let stack = Stack::start().await;
        stack.verified("anna@example.com").await;
        assert!(!open_in(&stack.core().settings.data).is_empty(), "its databases");
        stack.core().settings.data.clone()
    });
    drop(runtime);
    assert_eq!(open_in(&folder), Vec::<String>::new());
}

/// The files in a folder that this process has open.
#[cfg(target_os = "linux")]
fn open_in(folder: &std::path::Path) -> Vec<String> {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    // Another test's may close meanwhile.
    let links = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok());
    links.filter(|link| link.starts_with(folder)).map(|link| link.display().to_string()).collect()
}
