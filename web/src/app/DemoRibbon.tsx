/** Says on every page, also before signing in, that nothing here is real. */
export function DemoRibbon() {
  return (
    <aside className="demo-ribbon" aria-label="デモ環境のお知らせ">
      <strong>デモ</strong>
      架空の自治体・架空の人物です。本物の個人情報を入力しないでください。
    </aside>
  );
}
