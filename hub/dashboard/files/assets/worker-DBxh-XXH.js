var e;function t(){if(typeof Worker<`u`&&typeof Blob<`u`)return e??=n(),e}function n(){let e=URL.createObjectURL(new Blob([`const timers = new Map();
onmessage = ({ data: [id, wait] }) => {
  clearTimeout(timers.get(id));
  timers.delete(id);
  if (wait !== undefined) timers.set(id, setTimeout(() => { timers.delete(id); postMessage(id); }, wait));
};`],{type:`text/javascript`})),t=new Worker(e),n=new Map,r=0;t.onmessage=({data:e})=>{let t=n.get(e);n.delete(e),t?.()},t.onerror=()=>{for(let[e,t]of n)setTimeout(()=>n.delete(e)&&t(),1e3);i.set=(e,t)=>setTimeout(e,t),i.clear=e=>clearTimeout(e)};let i={set:(e,i)=>(n.set(++r,e),t.postMessage([r,i]),r),clear:e=>{n.delete(e)&&t.postMessage([e])}};return{set:(e,t)=>i.set(e,t),clear:e=>i.clear(e)}}export{t as timers};